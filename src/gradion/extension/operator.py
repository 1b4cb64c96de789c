"""A function with native code behind it, and every derivative that was declared for it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any, final

import jax

from gradion.extension.arguments import as_arrays, bind_attributes, bind_dtypes, bind_sizes, resolve
from gradion.extension.array import Array
from gradion.extension.batching import AbstractBatching, Sequential
from gradion.extension.declaration import (
    AttributeType,
    Declaration,
    Kind,
    SecondDerivative,
    Targets,
    by_dtype,
)
from gradion.extension.native_node import NativeNode
from gradion.extension.reference_program import call_reference
from gradion.foundation.compat.native_call import bind_node

__all__ = ["Operator", "operators_made"]

_Call = tuple[Callable[..., Any], Callable[..., Any]]

# The last one of each name.
_made: weakref.WeakValueDictionary[str, Operator] = weakref.WeakValueDictionary()

# Signatures whose checks are remembered; a program with more of them only checks again.
_MOST_SIGNATURES = 1024


def operators_made() -> dict[str, Operator]:
    """The operators that are in use in this process, by name; the last one of each."""
    return dict(_made)


@final
class Operator:
    """A function of arrays that runs native code, under `jit`, `grad`, `jvp` and `vmap`.

    `forward` gets the inputs and writes the outputs, then those `residuals` that are no outputs.
    `jvp` gets inputs, residuals and a tangent for each differentiable input, and writes one for
    each differentiable output; `vjp` gets inputs, residuals and a cotangent for each
    differentiable output, and writes one for each differentiable input. Each is the transpose of
    the other. `second` has the targets of second order. Every target may be given by dtype, as a
    dict, where an input is declared by `OneOf`. With `saving`, `forward` writes no residuals, and
    `saving`, which does, is called in its place under differentiation.

    `reference` is the same function in JAX; attributes are passed to it by keyword. It serves
    where there is no target: for a platform, a dtype, a derivative of any order.

    `attributes` are names and types (int, float, bool, str) of numbers that belong to the
    compiled program; the call gives them by keyword. `sizes` maps the sizes known at a call, and
    the attributes, to further ones: `lambda known: {"gates": 3 * known["state"]}`.

    `batching` says how it is mapped. With `many_directions` the buffers of `jvp` and `vjp` that
    are tangents or cotangents, and their results, have an axis of directions in front (after that
    of the examples), so that many derivatives at one point are one call: 1 where there is one.

    Raises ValueError or TypeError for a declaration that contradicts itself.
    """

    def __init__(  # long: a declaration with its defaults
        self,
        name: str,
        *,
        inputs: tuple[Array, ...],
        outputs: tuple[Array, ...],
        forward: Targets | None = None,
        jvp: Targets | None = None,
        vjp: Targets | None = None,
        second: SecondDerivative | None = None,
        saving: Targets | None = None,
        residuals: tuple[Array, ...] = (),
        reference: Callable[..., Any] | None = None,
        attributes: Mapping[str, AttributeType] | None = None,
        sizes: Callable[[dict[str, Any]], Mapping[str, int]] | None = None,
        batching: AbstractBatching | None = None,
        many_directions: bool = False,
    ) -> None:
        given: dict[Kind, Targets | None] = {
            Kind.VALUE: forward,
            Kind.SAVING: saving,
            Kind.PUSH: jvp,
            Kind.PULL: vjp,
            Kind.SECOND_PUSH: None if second is None else second.jvp,
            Kind.SECOND_PULL: None if second is None else second.vjp,
        }
        self._declared = Declaration(
            name=name,
            inputs=inputs,
            outputs=outputs,
            residuals=residuals,
            targets={
                kind: by_dtype(targets, f"operator {name!r}, {kind.value}=")
                for kind, targets in given.items()
            },
            reference=reference,
            attributes=dict(attributes or {}),
            sizes=sizes,
            batching=Sequential() if batching is None else batching,
            many_directions=many_directions,
        )
        # Calls whose arguments have been checked, and the same compiled.
        self._checked: dict[Any, _Call] = {}
        _made[name] = self

    @property
    def name(self) -> str:
        """The name, as in messages and profiles."""
        return self._declared.name

    @property
    def declaration(self) -> Declaration:
        """What was declared, for tools."""
        return self._declared

    def __repr__(self) -> str:
        """Return the signature in words."""
        inputs = ", ".join(map(str, self._declared.inputs))
        outputs = ", ".join(map(str, self._declared.outputs))
        return f"Operator({self.name!r}: {inputs} -> {outputs})"

    def __call__(self, *arguments: Any, **attributes: Any) -> Any:
        """The output, or a tuple of them where several are declared.

        Arguments are arrays of the declared dtypes and shapes; numpy arrays and Python numbers
        are taken too. Raises TypeError or ValueError before anything native is called where one
        does not fit, and MissingRuleError where there is neither a target nor a reference for
        what is asked. An error of the native code arrives at the call or when the result is waited
        for, as `jax.errors.JaxRuntimeError` or, from JAX's fast path for calls of functions that
        are compiled already, as ValueError.
        """
        # A list: a third faster than a generator, and every call comes through here.
        if not all([isinstance(x, jax.Array) for x in arguments]):  # noqa: C419
            arguments = tuple(as_arrays(self._declared, arguments))
        # As text: 1, 1.0 and True are equal, and so are 0.0 and -0.0.
        key = (repr(attributes), tuple([x.aval for x in arguments]))
        call = self._checked.get(key)
        if call is None:
            call = self._check(arguments, attributes)
            if len(self._checked) >= _MOST_SIGNATURES:
                self._checked.clear()
            self._checked[key] = call
        traced, compiled = call
        if any([isinstance(x, jax.core.Tracer) for x in arguments]):  # noqa: C419
            return traced(*arguments)
        return compiled(*arguments)

    def _check(self, arguments: tuple[Any, ...], attributes: Mapping[str, Any]) -> _Call:
        """Check one signature; the call for it, as it is and compiled."""
        declared = self._declared
        arrays = as_arrays(declared, arguments)
        bound = bind_attributes(declared, attributes)
        dtypes = bind_dtypes(declared, [x.dtype for x in arrays])
        sizes = bind_sizes(declared, [x.shape for x in arrays], dict(bound))
        for array in (*declared.outputs, *declared.extras):
            resolve(declared, array, sizes, dtypes)
        n_outputs = len(declared.outputs)
        native = declared.target(Kind.VALUE, dtypes) is not None or declared.reference is None
        kind = declared.value_kind(differentiated=False)
        node = NativeNode(declared, kind, bound, repr(bound), dtypes)

        def traced(*arrays: jax.Array) -> Any:
            if native:
                outputs = bind_node(node, *arrays)[:n_outputs]
            else:
                # Plain JAX all the way, with its own rules of every order.
                outputs = call_reference(declared, arrays, dict(bound), dtypes)
            return outputs[0] if n_outputs == 1 else tuple(outputs)

        traced.__name__ = declared.name
        return traced, jax.jit(traced)
