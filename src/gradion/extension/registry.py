"""Operators by name: how a saved program finds the native code that it calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from gradion.extension.declaration import Kind
from gradion.extension.kernel import Kernel, find_kernels
from gradion.extension.native_node import NativeNode
from gradion.extension.operator import Operator, operators_made
from gradion.foundation.compat.native_call import AbstractNativeNode, bind_node
from gradion.foundation.errors import InputError, unknown_name

__all__ = ["call_operator", "describe_call", "find_operator", "kernels_by_operator"]


def find_operator(name: str) -> Operator:
    """The operator of this name: the last one that was declared, or one of gradion's kernels.

    Nothing is imported but gradion itself: a name can come from a file. Raises InputError if there
    is none.
    """
    made = operators_made()
    if name in made:
        return made[name]
    kernels = kernels_by_operator()
    if name in kernels:
        return kernels[name].operator
    error = unknown_name("operator", name, [*made, *kernels])
    raise InputError(
        error.what,
        mend=f"import the package that declares it, before the graph is used ({error.mend})",
    )


def kernels_by_operator() -> dict[str, Kernel]:
    """gradion's kernels by the names of their operators; imports them, and builds nothing."""
    return {kernel.name.rsplit(".", 1)[-1]: kernel for kernel in find_kernels()}


def describe_call(node: AbstractNativeNode) -> dict[str, Any]:
    """A call of an operator as values of JSON.

    Raises ValueError for a call that is none of an operator's, and where another operator has
    taken its name since.
    """
    if not isinstance(node, NativeNode):
        raise ValueError(f"a call of {node.label}, which is no operator")
    name = node.declared.name
    if find_operator(name).declaration is not node.declared:
        raise ValueError(f"a call of {name!r}, and two operators have this name")
    return {
        "operator": name,
        "call": node.kind.value,
        "attributes": dict(node.attributes),
        "dtypes": [dtype.name for dtype in node.dtypes],
        "batch": node.batch,
        "directions": node.directions,
    }


def call_operator(call: Mapping[str, Any], arguments: Sequence[jax.Array]) -> list[jax.Array]:
    """The results of a call as `describe_call` has it, for these arguments.

    Raises InputError if the operator is not there, ValueError for a call that it does not have.
    """
    declared = find_operator(call["operator"]).declaration
    attributes = tuple(call["attributes"].items())
    node = NativeNode(
        declared,
        Kind(call["call"]),
        attributes,
        repr(attributes),
        tuple(map(np.dtype, call["dtypes"])),
        call["batch"],
        call["directions"],
    )
    return bind_node(node, *arguments)
