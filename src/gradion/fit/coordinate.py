"""The coordinates that an optimiser moves: chosen Parameters, mapped onto all reals."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, final

import numpy as np

from gradion.fit.prior_residual import prior_residual
from gradion.fit.transform import AbstractTransform, transform_for
from gradion.foundation.errors import InputError, unknown_name
from gradion.module import AbstractPrior, Module
from gradion.module.meta import Bounds

__all__ = ["Coordinate", "Entry", "chosen_names", "coordinates_of", "entries_of", "spread_globs"]

Item = TypeVar("Item")
_GLOB_MARKS = frozenset("*?[")


@final
@dataclass(frozen=True)
class Entry:
    """One chosen Parameter, as the compiled programs see it: static and hashable."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    transform: AbstractTransform
    prior: AbstractPrior | None

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return math.prod(self.shape)


@final
@dataclass(frozen=True)
class Coordinate:
    """One number that a fit may move.

    `label` is the Parameter's name, with the index behind it where the Parameter is an array;
    `start` and `bounds` are in `unit`.
    """

    label: str
    name: str
    unit: str
    start: float
    bounds: Bounds | None
    prior: AbstractPrior | None
    transform: AbstractTransform
    source: str | None

    @property
    def z_start(self) -> float:
        """The coordinate of the start."""
        return self.transform.coordinate(self.start)

    @property
    def is_positive(self) -> bool:
        """Whether the bounds (or, without bounds, the start) say that the value is positive."""
        return self.start > 0.0 if self.bounds is None else self.bounds[0] >= 0.0

    def change_scale(self, value: float) -> float:
        """The change of value that counts as 1 when parameters are compared.

        The value itself where it is positive, so that changes are relative; otherwise the
        distance of finite bounds; otherwise the size of the value (1 if that is 0).
        """
        if self.is_positive and value > 0.0:
            return value
        if self.bounds is not None and all(map(math.isfinite, self.bounds)):
            return self.bounds[1] - self.bounds[0]
        return abs(value) or 1.0

    def at_bound(self, value: float, tolerance: float) -> bool:
        """Whether a value lies within `tolerance` (a share of the span) of a bound.

        The span is that of the logarithm where the transform is; of a single bound, it is the
        distance of the start from it.
        """
        if self.bounds is None:
            return False
        low, high = self.bounds
        if math.isinf(low) or math.isinf(high):
            bound = high if math.isinf(low) else low
            return abs(value - bound) <= tolerance * abs(self.start - bound)
        if self.transform.is_logarithmic():
            fraction = math.log(value / low) / math.log(high / low)
        else:
            fraction = (value - low) / (high - low)
        return fraction <= tolerance or fraction >= 1.0 - tolerance


def chosen_names(module: Module, patterns: Sequence[str]) -> tuple[str, ...]:
    """Names of the Parameters that names or globs choose, each once, in the order of `patterns`.

    A glob passes over Parameters that are not trainable. Raises InputError, with near names,
    for a pattern that matches nothing, and for a name of a Parameter that is not trainable.
    """
    if isinstance(patterns, str):
        raise TypeError(f"parameters: got the text {patterns!r}, expected a sequence of names")
    if not patterns:
        raise InputError("no parameter is chosen", mend="name at least one")
    chosen: dict[str, None] = {}
    for pattern in patterns:
        names = module.select(pattern)
        free = [name for name in names if module.get_parameter(name).trainable]
        if not free or (not _GLOB_MARKS & set(pattern) and len(free) < len(names)):
            raise InputError(
                f"parameter {pattern!r} is not trainable", mend="leave it out or set .trainable"
            )
        chosen.update(dict.fromkeys(free))
    return tuple(chosen)


def spread_globs(
    what: str, given: Mapping[str, Item], names: Sequence[str], module: Module
) -> dict[str, Item]:
    """`given` by the name or glob of chosen Parameters, as a mapping by name.

    A later entry wins over an earlier one. Raises InputError, with near names, for a pattern
    that matches no chosen Parameter.
    """
    spread: dict[str, Item] = {}
    for pattern, item in given.items():
        matched = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
        if not matched and not _GLOB_MARKS & set(pattern):
            # A second name of a shared Parameter.
            matched = [name for name in _first_name(module, pattern) if name in names]
        if not matched:
            raise unknown_name("fitted parameter", pattern, names, where=what)
        spread.update(dict.fromkeys(matched, item))
    return spread


def _first_name(module: Module, name: str) -> tuple[str, ...]:
    try:
        return module.select(name)
    except InputError:
        return ()


def entries_of(module: Module, names: Sequence[str]) -> tuple[Entry, ...]:
    """The chosen Parameters with their transforms and priors.

    Raises InputError, with name, start and bounds, for a start that is not finite or does not
    lie strictly inside its bounds, and for a prior that has no residual or no finite one there.
    """
    entries = []
    for name in names:
        parameter = module.get_parameter(name)
        start = np.asarray(parameter.value, np.float64)
        if start.size == 0:
            raise InputError(f"parameter {name!r} is empty", mend="leave it out")
        _check_inside(name, parameter.unit, start, parameter.bounds)
        transform = transform_for(parameter.bounds, float(np.max(np.abs(start))))
        if parameter.prior is not None:
            _check_prior(name, parameter.prior, start)
        entries.append(Entry(name, start.shape, parameter.dtype, transform, parameter.prior))
    return tuple(entries)


def coordinates_of(module: Module, entries: Sequence[Entry]) -> tuple[Coordinate, ...]:
    """One coordinate for every number of the chosen Parameters, in their order."""
    coordinates = []
    for entry in entries:
        parameter = module.get_parameter(entry.name)
        start = np.asarray(parameter.value, np.float64)
        for index in np.ndindex(*entry.shape):
            place = f"[{','.join(map(str, index))}]" if index else ""
            coordinates.append(
                Coordinate(
                    label=entry.name + place,
                    name=entry.name,
                    unit=parameter.unit,
                    start=float(start[index]),
                    bounds=parameter.bounds,
                    prior=entry.prior,
                    transform=entry.transform,
                    source=parameter.source,
                )
            )
    return tuple(coordinates)


def _check_inside(name: str, unit: str, start: np.ndarray, bounds: Bounds | None) -> None:
    low, high = bounds if bounds is not None else (-math.inf, math.inf)
    outside = ~((start > low) & (start < high))
    if outside.any():
        shown_unit = "" if unit == "1" else f" {unit}"
        raise InputError(
            f"starts at {start[outside].flat[0]:.6g}{shown_unit}, which is not strictly inside its "
            f"bounds ({low:g}, {high:g})",
            where=f"parameter {name!r}",
            mend="move the start or the bounds",
        )


def _check_prior(name: str, prior: Any, start: np.ndarray) -> None:
    try:
        residual = np.asarray(prior_residual(prior, start))
    except InputError as error:
        raise InputError(error.what, where=f"parameter {name!r}", mend=error.mend) from None
    if not np.isfinite(residual).all():
        raise InputError(
            f"the prior {prior} is not finite at the start", where=f"parameter {name!r}"
        )
