"""The calls of an operator, and what JAX may do with them: derive, transpose, map, compile.

An operator f: x -> y gives a family of calls that is closed under these rules. With J = f'(x):
the value's derivative is the push J t, the transpose of a push is the pull J^T w and the other
way round; the derivative of either with respect to x is one of second order, H[t, s] or
H[t, .]^T w, and the transposes of these two are again these two, since H is symmetric.

Residuals are copies of what can be computed from the inputs. They are handed on as they are, and
no derivative is taken with respect to them: that of the inputs counts for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, final

import jax
import jax.numpy as jnp
import numpy as np

from gradion.extension.arguments import bind_sizes, resolve
from gradion.extension.array import Array
from gradion.extension.declaration import Declaration, Kind
from gradion.extension.reference_program import reference_program
from gradion.foundation.compat.native_call import (
    AbstractNativeNode,
    Program,
    Shaped,
    bind_node,
    native_call,
)

__all__ = ["MissingRuleError", "NativeNode"]

_VALUES: Final = (Kind.VALUE, Kind.SAVING)
_FIRST: Final = (Kind.PUSH, Kind.PULL)
_SECOND: Final = (Kind.SECOND_PUSH, Kind.SECOND_PULL)

# What to say where a rule is missing: what it is for, and how to give it.
_PURPOSE: Final = {
    Kind.VALUE: ("value", "forward="),
    Kind.SAVING: ("value", "forward="),
    Kind.PUSH: ("forward-mode derivative", "jvp="),
    Kind.PULL: ("reverse-mode derivative", "vjp="),
    Kind.SECOND_PUSH: ("second derivative in forward mode", "second=SecondDerivative(jvp=...)"),
    Kind.SECOND_PULL: ("second derivative in reverse mode", "second=SecondDerivative(vjp=...)"),
}


class MissingRuleError(TypeError):
    """An operator was used in a way for which it has neither a target nor a reference."""


@final
@dataclass(frozen=True)
class NativeNode(AbstractNativeNode):
    """One call of an operator: of which kind, with which attributes, over how many examples."""

    declared: Declaration
    kind: Kind
    attributes: tuple[tuple[str, Any], ...]
    # Compared as text too: 0.0 and -0.0 are equal, and not the same program.
    attributes_text: str
    dtypes: tuple[np.dtype, ...]
    # Sizes of the leading axes: examples on every array, then directions on those in which the
    # call is linear. None where there is no such axis.
    batch: int | None = None
    directions: int | None = None

    @property
    def label(self) -> str:
        """The operator's name, and the kind of the call where it is a derivative."""
        name = self.declared.name
        return name if self.kind in _VALUES else f"{name}_{self.kind.value.replace('.', '_')}"

    def results(self, arguments: Sequence[Shaped | jax.Array]) -> list[Shaped]:
        """See the abstract base."""
        skip = 0 if self.batch is None else 1
        shapes = [x.shape[skip:] for x in arguments[: len(self.declared.inputs)]]
        sizes = bind_sizes(self.declared, shapes, dict(self.attributes))
        lead = tuple(n for n in (self.batch, self.directions) if n is not None)
        found = [resolve(self.declared, a, sizes, self.dtypes) for a in self._result_arrays()]
        return [jax.ShapeDtypeStruct((*lead, *r.shape), r.dtype) for r in found]

    # Compiling

    def program(self, platform: str) -> Program:
        """See the abstract base; raises MissingRuleError."""
        name = self._target_name(platform)
        if name is not None:
            return self._native_program(name)
        if self.declared.reference is not None:
            return self._reference_program()
        purpose, remedy = _PURPOSE[self.kind]
        where = f"operator {self.declared.name!r}"
        target = self.declared.target(self.kind, self.dtypes)
        if target is None:
            chosen = f" for {', '.join(map(str, self.dtypes))}" if self.dtypes else ""
            raise MissingRuleError(f"{where} has no {purpose}{chosen}: give {remedy} or reference=")
        why = f" ({'; '.join(target.missing)})" if target.missing else ""
        raise MissingRuleError(
            f"{where} has no target for platform {platform!r} and no reference; its {purpose} has "
            f"targets for {', '.join(sorted(target.platforms))}: give {remedy} one for "
            f"{platform!r}, or reference={why}"
        )

    def _target_name(self, platform: str) -> str | None:
        target = self.declared.target(self.kind, self.dtypes)
        if target is None or platform not in target.platforms:
            return None
        if self.kind not in _VALUES and self.declared.extras:
            # Where the value comes from the reference there are no residuals to work with.
            saving = self.declared.target(Kind.SAVING, self.dtypes)
            if saving is None or platform not in saving.platforms:
                return None
        return target.name

    def _native_program(self, name: str) -> Program:
        # The axes that the target always has: those that are not there yet are added, of size 1.
        wants_batch = self.declared.batching.has_axis
        wants_directions = self.declared.many_directions and self.kind in _FIRST
        add_batch = wants_batch and self.batch is None
        add_directions = wants_directions and self.directions is None
        n_point = len(self._groups()[0])
        # i64, f64: what the C++ side binds as int64_t and double.
        attributes = {
            key: np.int64(value)
            if type(value) is int
            else np.float64(value)
            if type(value) is float
            else value
            for key, value in self.attributes
        }

        def widen(shape: tuple[int, ...], *, linear: bool) -> tuple[int, ...]:
            at = 0 if self.batch is None else 1
            middle = (1,) if linear and add_directions else ()
            return (*((1,) if add_batch else ()), *shape[:at], *middle, *shape[at:])

        def run(*arguments: jax.Array) -> list[jax.Array]:
            wide = [
                _reshaped(x, widen(x.shape, linear=i >= n_point)) for i, x in enumerate(arguments)
            ]
            results = self.results(arguments)
            linear = self.kind not in _VALUES
            found = native_call(
                name,
                [jax.ShapeDtypeStruct(widen(r.shape, linear=linear), r.dtype) for r in results],
                wide,
                attributes,
            )
            return [_reshaped(y, r.shape) for y, r in zip(found, results, strict=True)]

        return run

    def _reference_program(self) -> Program:
        program = reference_program(self.declared, self.kind, dict(self.attributes), self.dtypes)
        if self.directions is not None:
            point, *linear = self._groups()
            axes = [None] * len(point) + [0] * sum(map(len, linear))
            program = jax.vmap(program, in_axes=axes, axis_size=self.directions)
        if self.batch is not None:
            program = jax.vmap(program, axis_size=self.batch)
        return program

    # Derivatives

    def derivative(
        self, arguments: Sequence[jax.Array], tangents: Sequence[jax.Array | None]
    ) -> tuple[Sequence[jax.Array], Sequence[jax.Array | None]]:
        """See the abstract base; raises MissingRuleError."""
        if self.kind in _VALUES:
            return self._value_derivative(arguments, tangents)
        out = bind_node(self, *arguments)
        starts = self._starts()
        terms: list[Sequence[jax.Array]] = []
        for start, end in pairwise(starts[1:]):
            if any(t is not None for t in tangents[start:end]):
                moved = [*arguments]
                moved[start:end] = _filled(tangents[start:end], arguments[start:end])
                terms.append(bind_node(self, *moved))
        inputs = self.declared.inputs
        at = [i for i, array in enumerate(inputs) if array.differentiable]
        if any(tangents[i] is not None for i in at):
            s = _filled([tangents[i] for i in at], [arguments[i] for i in at])
            terms.append(self._curved(arguments, at, s))
        if not terms:
            return out, [None] * len(out)
        return out, [sum(parts[1:], start=parts[0]) for parts in zip(*terms, strict=True)]

    def _value_derivative(
        self, arguments: Sequence[jax.Array], tangents: Sequence[jax.Array | None]
    ) -> tuple[Sequence[jax.Array], Sequence[jax.Array | None]]:
        declared = self.declared
        found: Sequence[jax.Array]
        at = [i for i, array in enumerate(declared.inputs) if array.differentiable]
        if all(tangents[i] is None for i in at) or not declared.smooth_outputs:
            out = bind_node(self, *arguments)
            return out, [None] * len(out)
        if not declared.has_rule(Kind.PUSH, Kind.PULL):
            raise MissingRuleError(
                f"operator {declared.name!r} has no derivative: give jvp= for forward mode, vjp= "
                "for reverse mode, or reference="
            )
        saving = replace(self, kind=declared.value_kind(differentiated=True))
        out = self._bind(saving.kind, *arguments)
        t = _filled([tangents[i] for i in at], [arguments[i] for i in at])
        if declared.targets[Kind.PUSH] or declared.targets[Kind.PULL]:
            by_name = {a.name: y for a, y in zip(saving._result_arrays(), out, strict=True)}
            residuals = [by_name[r.name] for r in declared.residuals]
            found = self._bind(Kind.PUSH, *arguments, *residuals, *t)
        else:
            # Nothing native would come of it: left to JAX, which knows all rules of all orders.
            found = self._by_reference(Kind.PUSH)(*arguments, *[None] * len(declared.residuals), *t)
        in_order = iter(found)
        out = out[: len(self._result_arrays())]
        pushed = [next(in_order) if a.differentiable else None for a in declared.outputs]
        return out, pushed + [None] * (len(out) - len(pushed))

    def _by_reference(self, kind: Kind) -> Program:
        """The reference's program of another kind, over the same examples."""
        return replace(self, kind=kind)._reference_program()

    def _curved(
        self, arguments: Sequence[jax.Array], at: Sequence[int], s: Sequence[jax.Array]
    ) -> Sequence[jax.Array]:
        """The derivative with respect to the inputs `at` along s, the linear arguments fixed."""
        declared = self.declared
        if self.kind in _FIRST and any(declared.targets[kind] for kind in _SECOND):
            return self._second(arguments, s)
        if declared.reference is None:
            order, remedy = ("second", "second= or ") if self.kind in _FIRST else ("third", "")
            raise MissingRuleError(
                f"operator {declared.name!r} has no {order} derivative: give {remedy}reference="
            )
        program = self._reference_program()

        def moved(*varied: jax.Array) -> Sequence[jax.Array]:
            everything = [*arguments]
            for i, x in zip(at, varied, strict=True):
                everything[i] = x
            return program(*everything)

        return jax.jvp(moved, tuple(arguments[i] for i in at), tuple(s))[1]

    def _second(
        self, arguments: Sequence[jax.Array], s: Sequence[jax.Array]
    ) -> Sequence[jax.Array]:
        n_point = len(self._groups()[0])
        point, linear = arguments[:n_point], arguments[n_point:]
        one_direction = replace(self, directions=None)

        def once(*first: jax.Array) -> list[jax.Array]:
            if self.kind is Kind.PUSH:
                return one_direction._bind(Kind.SECOND_PUSH, *point, *first, *s)
            return one_direction._bind(Kind.SECOND_PULL, *point, *s, *first)

        if self.directions is None:
            return once(*linear)
        axis = 0 if self.batch is None else 1
        return jax.vmap(once, in_axes=axis, out_axes=axis)(*linear)

    def transposed(
        self,
        cotangents: Sequence[jax.Array | None],
        arguments: Sequence[jax.Array | None],
        shapes: Sequence[Shaped],
    ) -> Sequence[jax.Array | None]:
        """See the abstract base."""
        starts = self._starts()
        groups: list[Sequence[Any]] = [arguments[i:j] for i, j in pairwise(starts)]
        open_groups = [g for g, group in enumerate(groups) if any(a is None for a in group)]
        if self.kind in _VALUES or len(open_groups) != 1 or open_groups[0] == 0:
            raise TypeError(
                f"{self.label} cannot be transposed with respect to these arguments: it is not "
                "linear in them"
            )
        w = _filled(cotangents, self.results(shapes))
        held = groups[0]
        if self.kind is Kind.PUSH:
            kind, rest = Kind.PULL, [*w]
        elif self.kind is Kind.PULL:
            kind, rest = Kind.PUSH, [*w]
        elif self.kind is Kind.SECOND_PUSH:
            kind, rest = Kind.SECOND_PULL, [*groups[3 - open_groups[0]], *w]
        elif open_groups[0] == 1:
            kind, rest = Kind.SECOND_PULL, [*w, *groups[2]]
        else:
            kind, rest = Kind.SECOND_PUSH, [*groups[1], *w]
        found = self._bind(kind, *held, *rest)
        new: list[jax.Array | None] = [None] * len(arguments)
        start = starts[open_groups[0]]
        new[start : start + len(found)] = found
        return new

    # Mapping

    def _bind(self, kind: Kind, *arguments: jax.Array) -> list[jax.Array]:
        """Bind the call of another kind over the same axes, which its target need not know."""
        node = replace(self, kind=kind)
        if self.directions is not None and not node._takes_directions:
            at = 0 if self.batch is None else 1
            n_point = len(node._groups()[0])
            axes = [None] * n_point + [at] * (len(arguments) - n_point)
            inner = replace(self, directions=None)
            return jax.vmap(lambda *one: inner._bind(kind, *one), in_axes=axes, out_axes=at)(
                *arguments
            )
        if self.batch is not None and not node._takes_batch:
            inner = replace(self, batch=None)
            return jax.vmap(lambda *one: inner._bind(kind, *one))(*arguments)
        return bind_node(node, *arguments)

    @property
    def _takes_batch(self) -> bool:
        # The reference can be mapped over anything.
        no_target = self.declared.target(self.kind, self.dtypes) is None
        return self.declared.batching.has_axis or no_target

    @property
    def _takes_directions(self) -> bool:
        no_target = self.declared.target(self.kind, self.dtypes) is None
        return self.kind in _FIRST and (self.declared.many_directions or no_target)

    def batched(
        self, arguments: Sequence[jax.Array], axes: Sequence[int | None], size: int
    ) -> tuple[Sequence[jax.Array], Sequence[int | None]]:
        """See the abstract base."""
        n_point = len(self._groups()[0])
        if self._takes_directions and all(axis is None for axis in axes[:n_point]):
            at = 0 if self.batch is None else 1
            linear = [
                _joined(x, axis, size, at, self.directions)
                for x, axis in zip(arguments[n_point:], axes[n_point:], strict=True)
            ]
            node = replace(self, directions=size * _or_one(self.directions))
            out = bind_node(node, *arguments[:n_point], *linear)
            return [_split(y, size, at, self.directions) for y in out], [at] * len(out)
        if self._takes_batch:
            every = [
                _joined(x, axis, size, 0, self.batch)
                for x, axis in zip(arguments, axes, strict=True)
            ]
            out = bind_node(replace(self, batch=size * _or_one(self.batch)), *every)
            return [_split(y, size, 0, self.batch) for y in out], [0] * len(out)
        mapped = [
            jnp.moveaxis(x, axis, 0)
            for x, axis in zip(arguments, axes, strict=True)
            if axis is not None
        ]

        def one(slices: Sequence[jax.Array]) -> list[jax.Array]:
            in_order = iter(slices)
            return bind_node(
                self,
                *(
                    x if axis is None else next(in_order)
                    for x, axis in zip(arguments, axes, strict=True)
                ),
            )

        out = jax.lax.map(one, mapped)
        return out, [0] * len(out)

    # Arrays of a call

    def _groups(self) -> list[tuple[Array, ...]]:
        """The arguments: where the call is evaluated, then one or two groups it is linear in."""
        declared = self.declared
        if self.kind in _VALUES:
            return [declared.inputs]
        point = (*declared.inputs, *declared.residuals)
        x, y = declared.smooth_inputs, declared.smooth_outputs
        linear = {
            Kind.PUSH: [x],
            Kind.PULL: [y],
            Kind.SECOND_PUSH: [x, x],
            Kind.SECOND_PULL: [x, y],
        }
        return [point, *linear[self.kind]]

    def _starts(self) -> list[int]:
        starts = [0]
        for group in self._groups():
            starts.append(starts[-1] + len(group))
        return starts

    def _result_arrays(self) -> tuple[Array, ...]:
        declared = self.declared
        if self.kind is Kind.VALUE:
            return declared.outputs
        if self.kind is Kind.SAVING:
            return (*declared.outputs, *declared.extras)
        forward = self.kind in (Kind.PUSH, Kind.SECOND_PUSH)
        return declared.smooth_outputs if forward else declared.smooth_inputs


def _filled(given: Sequence[jax.Array | None], like: Sequence[Any]) -> list[jax.Array]:
    """The arrays given, with zeros for those that are None."""
    return [
        jnp.zeros(x.shape, x.dtype) if t is None else t for t, x in zip(given, like, strict=True)
    ]


def _reshaped(x: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    # Not a word in the program where there is nothing to do.
    return x if x.shape == shape else x.reshape(shape)


def _or_one(size: int | None) -> int:
    return 1 if size is None else size


def _joined(x: jax.Array, axis: int | None, size: int, at: int, there: int | None) -> jax.Array:
    """The array with its mapped axis at `at`, made one with the axis that is there already."""
    if axis is None:
        x = jnp.broadcast_to(jnp.expand_dims(x, at), (*x.shape[:at], size, *x.shape[at:]))
    else:
        x = jnp.moveaxis(x, axis, at)
    if there is None:
        return x
    return x.reshape(*x.shape[:at], size * there, *x.shape[at + 2 :])


def _split(y: jax.Array, size: int, at: int, there: int | None) -> jax.Array:
    if there is None:
        return y
    return y.reshape(*y.shape[:at], size, there, *y.shape[at + 1 :])
