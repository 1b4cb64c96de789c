"""All that is declared about an operator, checked once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, final

import numpy as np
from jax.typing import DTypeLike

from gradion.extension.array import Array, OneOf
from gradion.extension.batching import AbstractBatching
from gradion.extension.library import Target

__all__ = ["AttributeType", "Declaration", "Kind", "SecondDerivative", "Targets", "by_dtype"]

AttributeType = type[int] | type[float] | type[bool] | type[str]
# One target for all dtypes, or one for each dtype of the operator's OneOf.
Targets = Target | Mapping[DTypeLike, Target]
_ByDtype = tuple[tuple[np.dtype | None, Target], ...]

_ATTRIBUTE_TYPES: Final = (int, float, bool, str)


class Kind(Enum):
    """The calls that belong to an operator f: x -> y, with J = f'(x) and H = f''(x)."""

    VALUE = "forward"
    SAVING = "saving"  # the value, with the residuals that its derivatives want
    PUSH = "jvp"  # J t
    PULL = "vjp"  # J^T w
    SECOND_PUSH = "second.jvp"  # H[t, s]
    SECOND_PULL = "second.vjp"  # H[t, .]^T w


@final
@dataclass(frozen=True)
class SecondDerivative:
    """Targets of second order for an operator with J = f'(x) and H = f''(x), symmetric.

    `jvp` gets inputs, residuals, a tangent t and a second tangent s for each differentiable
    input, and writes H[t, s] for each differentiable output. `vjp` gets inputs, residuals, a
    tangent t for each differentiable input and a cotangent w for each differentiable output, and
    writes H[t, .]^T w for each differentiable input. With `vjp` alone everything works that has
    one reverse pass in it, such as `jax.hessian`; `jvp` serves forward mode over forward mode.
    """

    jvp: Targets | None = None
    vjp: Targets | None = None

    def __post_init__(self) -> None:
        if self.jvp is None and self.vjp is None:
            raise ValueError("SecondDerivative: give jvp=, vjp= or both")


@final
@dataclass(frozen=True, eq=False)
class Declaration:
    """An operator as declared; compared by identity, since compiled code holds it."""

    name: str
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    # In the order in which the derivative targets take them; some may be outputs.
    residuals: tuple[Array, ...]
    targets: Mapping[Kind, _ByDtype]
    reference: Callable[..., Any] | None
    attributes: Mapping[str, AttributeType]
    sizes: Callable[[dict[str, Any]], Mapping[str, int]] | None
    batching: AbstractBatching
    many_directions: bool

    def __post_init__(self) -> None:
        _check_arrays(self)
        _check_attributes(self)
        _check_output_dims(self)
        _check_targets(self)

    @property
    def extras(self) -> tuple[Array, ...]:
        """Residuals that are no outputs: what a saving call writes after the outputs."""
        return tuple(r for r in self.residuals if r not in self.outputs)

    @property
    def smooth_inputs(self) -> tuple[Array, ...]:
        """The inputs that derivatives are taken with respect to."""
        return tuple(a for a in self.inputs if a.differentiable)

    @property
    def smooth_outputs(self) -> tuple[Array, ...]:
        """The outputs that have derivatives."""
        return tuple(a for a in self.outputs if a.differentiable)

    @property
    def variables(self) -> tuple[OneOf, ...]:
        """The dtypes that are chosen at the call, in the order of the inputs."""
        return tuple(dict.fromkeys(a.dtype for a in self.inputs if isinstance(a.dtype, OneOf)))

    def has_rule(self, *kinds: Kind) -> bool:
        """Whether there is a target for any of the kinds, or a reference to take it from."""
        return self.reference is not None or any(self.targets[kind] for kind in kinds)

    def value_kind(self, *, differentiated: bool) -> Kind:
        """The call that gives the outputs: with residuals where it has to, or cannot do without."""
        lean = not self.extras or (self.targets[Kind.SAVING] and not differentiated)
        return Kind.VALUE if lean else Kind.SAVING

    def target(self, kind: Kind, dtypes: tuple[np.dtype, ...]) -> Target | None:
        """The target of a kind where the dtypes of `variables` are these."""
        found = self.targets[kind]
        if kind is Kind.SAVING and not found:
            found = self.targets[Kind.VALUE]
        return next((t for d, t in found if d is None or (d,) == dtypes), None)


def by_dtype(targets: Any, what: str) -> _ByDtype:
    """Targets in one form; raises TypeError for what is no target."""
    if targets is None:
        return ()
    if isinstance(targets, Target):
        return ((None, targets),)
    if isinstance(targets, Mapping) and all(isinstance(t, Target) for t in targets.values()):
        return tuple((np.dtype(dtype), target) for dtype, target in targets.items())
    raise TypeError(
        f"{what}: expected a Target such as library.target('Name'), a dict of them by dtype, or "
        f"None; got {targets!r}"
    )


def _check_arrays(declared: Declaration) -> None:
    where = f"operator {declared.name!r}"
    if not str(declared.name).isidentifier():
        raise ValueError(f"{where}: the name must be an identifier")
    for kind in ("inputs", "outputs", "residuals"):
        arrays = getattr(declared, kind)
        if not isinstance(arrays, tuple) or not all(isinstance(a, Array) for a in arrays):
            raise TypeError(f"{where}: {kind} must be a tuple of Array, got {arrays!r}")
    if not declared.inputs or not declared.outputs:
        raise ValueError(f"{where}: at least one input and one output are expected")
    names = [a.name for a in (*declared.inputs, *declared.outputs, *declared.extras)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{where}: the name {twice[0]!r} is used for two arrays")
    known = set(declared.variables)
    for array in (*declared.outputs, *declared.extras):
        if isinstance(array.dtype, OneOf) and array.dtype not in known:
            raise ValueError(
                f"{where}: the dtype of {array.name!r} is {array.dtype}, and no input says which"
            )


def _check_attributes(declared: Declaration) -> None:
    dims = {dim for array in declared.inputs for dim in array.dims}
    for name, kind in declared.attributes.items():
        if kind not in _ATTRIBUTE_TYPES:
            raise TypeError(
                f"operator {declared.name!r}: attribute {name!r} must be declared as int, float, "
                f"bool or str, got {kind!r}"
            )
        if name in dims:
            raise ValueError(
                f"operator {declared.name!r}: {name!r} is an attribute and a dimension of an input"
            )


def _check_output_dims(declared: Declaration) -> None:
    if declared.sizes is not None:
        # Which names it adds is known at the call only.
        return
    known = {dim for array in declared.inputs for dim in array.dims}
    known |= {name for name, kind in declared.attributes.items() if kind is int}
    for array in (*declared.outputs, *declared.extras):
        for dim in array.dims:
            if isinstance(dim, str) and dim not in known:
                raise ValueError(
                    f"operator {declared.name!r}: no input has the dimension {dim!r} of "
                    f"{array.name!r}; use a number, the name of an int attribute, or give sizes="
                )


def _check_targets(declared: Declaration) -> None:
    where = f"operator {declared.name!r}"
    targets = declared.targets
    if not targets[Kind.VALUE] and declared.reference is None:
        raise ValueError(f"{where}: give forward=, reference= or both")
    if targets[Kind.SAVING] and not declared.extras:
        raise ValueError(f"{where}: saving= writes residuals, and residuals= declares none")
    derivatives = [k for k in Kind if k not in (Kind.VALUE, Kind.SAVING) and targets[k]]
    if derivatives and not (declared.smooth_inputs and declared.smooth_outputs):
        raise ValueError(
            f"{where}: {derivatives[0].value}= is given, and no input or no output is "
            "differentiable"
        )
    for kind, dtype in _named_dtypes(targets):
        if len(declared.variables) != 1 or dtype not in declared.variables[0].dtypes:
            raise ValueError(
                f"{where}: {kind.value}= has a target for {dtype}; targets by dtype need exactly "
                "one OneOf among the inputs, with that dtype"
            )


def _named_dtypes(targets: Mapping[Kind, _ByDtype]) -> Iterator[tuple[Kind, np.dtype]]:
    for kind, found in targets.items():
        for dtype, _ in found:
            if dtype is not None:
                yield kind, dtype
