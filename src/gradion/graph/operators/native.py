"""Calls of operators with native code: the operation names the operator and what of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp

from gradion.extension import call_operator, describe_call
from gradion.graph.graph import Operation
from gradion.graph.operators.kind import Attributes, OperationKind

__all__ = ["NATIVE"]


def _attributes(params: Mapping[str, Any]) -> Attributes:
    return describe_call(params["node"])


def _native(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    return call_operator(operation.attributes, [jnp.asarray(x) for x in inputs])


NATIVE: Final[tuple[OperationKind, ...]] = (
    OperationKind("native_call", ("gradion_native_call",), _native, _attributes),
)
