"""What is fitted: a Module, the Parameters that may move, and the data."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from gradion.fit import program
from gradion.fit.coordinate import (
    Coordinate,
    chosen_names,
    coordinates_of,
    entries_of,
    spread_globs,
)
from gradion.fit.dataset import DataSet, Role
from gradion.fit.termination import FitError
from gradion.foundation.errors import InputError, unknown_name
from gradion.module import AbstractPrior, Module

__all__ = ["Problem"]


@final
class Problem:
    """A least-squares problem over the physical parameters of a Module.

    - `module`: gives the starting values. It is not changed.
    - `parameters`: names or globs of Parameters, as in `Module.select`, the most wanted first:
      of parameters that the data cannot tell apart the last one is given up.
    - `datasets`: at least one of role FIT; names are unique.
    - `bounds`, `priors`: by name or glob of chosen Parameters, in the Parameter's unit; what is
      not named keeps the Parameter's own. None takes a bound or a prior away.
    - `held`: names or labels of chosen Parameters that stay at their start all the same.

    The cost is `sum r^2 / 2`. A point of a FIT data set has the residual
    `r = sqrt(w) (predicted - measured) / sigma`. The weights w of a data set sum to its number
    of points n (see `DataSet`), so that it counts as `n (rms / sigma)^2 / 2`, whatever the
    quadrature. A prior adds the row `prior_residual`.

    `z` is the vector of free coordinates: each Parameter mapped onto all reals by the transform
    of its bounds (`transform_for`), in the order of `coordinates`. All arrays that go in and
    come out are numpy arrays, float64.

    Raises InputError, naming what is wrong, for an unknown name, a start that is not strictly
    inside its bounds, doubled names of data sets, or no data set to fit.
    """

    def __init__(
        self,
        module: Module,
        parameters: Sequence[str],
        datasets: Sequence[DataSet],
        *,
        bounds: Mapping[str, tuple[float | None, float | None] | None] | None = None,
        priors: Mapping[str, AbstractPrior | None] | None = None,
        held: Sequence[str] = (),
    ) -> None:
        if not isinstance(module, Module):
            raise TypeError(f"module: got {type(module).__name__}, expected a Module")
        self._datasets = _checked_datasets(datasets)
        names = chosen_names(module, parameters)
        self._module = _with_overrides(module, names, bounds or {}, priors or {})
        entries = entries_of(self._module, names)
        self._all = coordinates_of(self._module, entries)
        self._is_free = _free_mask(self._all, held)
        self._z_all = np.array([coordinate.z_start for coordinate in self._all])
        self._groups = program.group_datasets(self._datasets)
        self._everything = self._stack(entries, self._groups)
        fitted = [
            tuple(i for i in group if self._datasets[i].role is Role.FIT) for group in self._groups
        ]
        self._fit_groups = tuple(group for group in fitted if group)
        self._fit_only = self._stack(entries, self._fit_groups)
        self._rows = self._number_rows()
        self._last: list[tuple[bytes, program.Evaluation]] = []

    # -- what is fitted ----------------------------------------------------------------------

    @property
    def module(self) -> Module:
        """The Module at the start, with the bounds and priors of this problem."""
        return self._module

    @property
    def datasets(self) -> tuple[DataSet, ...]:
        """The data sets, in the order given."""
        return self._datasets

    @property
    def coordinates(self) -> tuple[Coordinate, ...]:
        """The free coordinates, in the order of z."""
        return tuple(c for c, free in zip(self._all, self._is_free, strict=True) if free)

    @property
    def held(self) -> tuple[Coordinate, ...]:
        """The chosen coordinates that stay at their start."""
        return tuple(c for c, free in zip(self._all, self._is_free, strict=True) if not free)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the free coordinates."""
        return tuple(coordinate.label for coordinate in self.coordinates)

    @property
    def z_start(self) -> Float[np.ndarray, " free"]:
        """The starting point."""
        return self._z_all[self._is_free]

    @property
    def count(self) -> int:
        """Number of points that are fitted (positive weight, role FIT)."""
        return sum(d.count for d in self._datasets if d.role is Role.FIT)

    def holding(self, labels: Sequence[str]) -> Problem:
        """The same problem with more coordinates held at their start; compiles nothing anew."""
        other = copy.copy(self)
        other._is_free = self._is_free & _free_mask(self._all, labels)
        return other

    # -- evaluations -------------------------------------------------------------------------

    def module_at(self, z: Float[np.ndarray, " free"]) -> Module:
        """The Module with the values of `z`; what is held keeps its value to the last digit."""
        full = self._full(z)
        moved = program.module_at(self._everything[0], self._module, jnp.asarray(full))
        exact: dict[str, Any] = {}
        for name in dict.fromkeys(coordinate.name for coordinate in self.held):
            mine = [i for i, coordinate in enumerate(self._all) if coordinate.name == name]
            start, end = self._module.get_parameter(name).value, moved.get_parameter(name).value
            stays = ~self._is_free[mine].reshape(start.shape)
            exact[name] = jnp.where(stays, start, end)
        return moved.with_parameters(exact)

    def values(self, z: Float[np.ndarray, " free"]) -> Float[np.ndarray, " free"]:
        """The parameters at `z`, each in its unit."""
        return np.asarray(self._evaluate(z).values)[self._is_free]

    def slopes(self, z: Float[np.ndarray, " free"]) -> Float[np.ndarray, " free"]:
        """Derivatives of the values with respect to their coordinates."""
        return np.asarray(self._evaluate(z).slopes)[self._is_free]

    def z_of(self, values: Float[np.ndarray, " free"]) -> Float[np.ndarray, " free"]:
        """The coordinates of values strictly inside the bounds."""
        pairs = zip(self.coordinates, np.asarray(values, np.float64), strict=True)
        return np.array([coordinate.transform.coordinate(value) for coordinate, value in pairs])

    def predictions(self, z: Float[np.ndarray, " free"]) -> dict[str, np.ndarray]:
        """Predictions of every data set by its name, in its unit."""
        return self._by_name(self._evaluate(z).predictions)

    def rms(self, z: Float[np.ndarray, " free"]) -> dict[str, float]:
        """`DataSet.rms` of every data set by its name; free of cost at the last point tried."""
        predictions = self.predictions(z)
        return {d.name: d.rms(predictions[d.name]) for d in self._datasets}

    def residuals(self, z: Float[np.ndarray, " free"]) -> Float[np.ndarray, " residuals"]:
        """Residuals of the FIT data sets, then of the priors (see the class).

        The number of rows is fixed; rows of padding are 0. Rows that could not be predicted are
        not finite: an optimiser takes such a point for a failed one.
        """
        return self.residuals_and_jacobian(z)[0]

    def cost(self, z: Float[np.ndarray, " free"]) -> float:
        """Half the sum of squared residuals; not finite where a prediction failed."""
        return 0.5 * float(np.sum(self.residuals(z) ** 2))

    def residuals_and_jacobian(
        self, z: Float[np.ndarray, " free"]
    ) -> tuple[Float[np.ndarray, " residuals"], Float[np.ndarray, "residuals free"]]:
        """Residuals with their Jacobian over z, by forward-mode differentiation."""
        found = self._evaluate(z)
        predictions, rates = self._by_name(found.predictions), self._by_name(found.rates)
        rows = np.zeros(self._rows_total)
        jacobian = np.zeros((self._rows_total, self._z_all.size))
        for dataset in self._datasets:
            if dataset.role is not Role.FIT:
                continue
            place, used = self._rows[dataset.name], dataset.used
            scale = np.sqrt(np.asarray(dataset.weights)) / dataset.sigma
            difference = predictions[dataset.name] - dataset.measured
            # Padding: what is predicted there may be anything, nan included.
            rows[place] = np.where(used, scale * difference, 0.0)
            slopes = scale[:, None] * rates[dataset.name]
            jacobian[place] = np.where(used[:, None], slopes, 0.0)
        rows[self.prior_rows] = found.prior_residuals
        jacobian[self.prior_rows] = found.prior_rates
        # Columns of held coordinates are computed and left out: to compile again for fewer
        # would cost more than all the iterations.
        return rows, jacobian[:, self._is_free]

    def value_and_gradient(
        self, z: Float[np.ndarray, " free"]
    ) -> tuple[float, Float[np.ndarray, " free"]]:
        """The cost with its gradient over z, by reverse-mode differentiation."""
        layout, data = self._fit_only
        value, gradient = program.value_and_gradient(
            layout, self._module, jnp.asarray(self._full(z)), data
        )
        return float(value), np.asarray(gradient)[self._is_free]

    def rows(self, name: str) -> slice:
        """Where the residuals of a FIT data set stand. Raises InputError for another name."""
        if name not in self._rows:
            raise unknown_name("data set to fit", name, self._rows)
        return self._rows[name]

    @property
    def prior_rows(self) -> slice:
        """Where the residuals of the priors stand."""
        return slice(max((s.stop for s in self._rows.values()), default=0), self._rows_total)

    def check_start(self) -> None:
        """Raise FitError, with the name of the data set, if a prediction to fit fails at the start.

        Says at how many points, and at which first.
        """
        predictions = self.predictions(self.z_start)
        for dataset in self._datasets:
            bad = dataset.used & ~np.isfinite(predictions[dataset.name])
            if dataset.role is Role.FIT and bad.any():
                raise FitError(
                    f"data set {dataset.name!r}: at the start {int(bad.sum())} of {dataset.count} "
                    f"predictions are not finite, the first at index {int(np.argmax(bad))}; start "
                    "from other values"
                )

    # -- the machinery -----------------------------------------------------------------------

    def _full(self, z: Any) -> np.ndarray:
        free = np.asarray(z, np.float64)
        expected = int(self._is_free.sum())
        if free.shape != (expected,):
            raise ValueError(f"z: got shape {free.shape}, expected ({expected},)")
        full = self._z_all.copy()
        full[self._is_free] = free
        return full

    def _evaluate(self, z: Any) -> program.Evaluation:
        """Evaluate once for all that is asked about the same z: the last two points are kept."""
        full = self._full(z)
        key = full.tobytes()
        for known, evaluation in self._last:
            if known == key:
                return evaluation
        layout, data = self._everything
        evaluation = program.evaluate(layout, self._module, jnp.asarray(full), data)
        evaluation = jax.tree.map(np.asarray, evaluation)
        self._last = [*self._last[-1:], (key, evaluation)]
        return evaluation

    def _by_name(self, stacked: Sequence[Any]) -> dict[str, np.ndarray]:
        """Rows of the groups, by name of data set."""
        return {
            self._datasets[index].name: rows[k]
            for group, rows in zip(self._groups, stacked, strict=True)
            for k, index in enumerate(group)
        }

    def _stack(
        self, entries: tuple[Any, ...], groups: tuple[tuple[int, ...], ...]
    ) -> tuple[program.Layout, tuple[program.GroupData, ...]]:
        stacked = [program.stack_group([self._datasets[i] for i in group]) for group in groups]
        layout = program.Layout(entries, tuple(group for group, _ in stacked))
        return layout, tuple(data for _, data in stacked)

    def _number_rows(self) -> dict[str, slice]:
        rows, first = {}, 0
        for group in self._fit_groups:
            for index in group:
                dataset = self._datasets[index]
                rows[dataset.name] = slice(first, first + dataset.measured.size)
                first += dataset.measured.size
        self._rows_total = first + sum(c.prior is not None for c in self._all)
        return rows


def _checked_datasets(datasets: Sequence[DataSet]) -> tuple[DataSet, ...]:
    names: set[str] = set()
    for dataset in datasets:
        if not isinstance(dataset, DataSet):
            raise TypeError(f"datasets: got {type(dataset).__name__}, expected a DataSet")
        if dataset.name in names:
            raise InputError("stands twice among the data sets", where=f"data set {dataset.name!r}")
        names.add(dataset.name)
    if not any(dataset.role is Role.FIT for dataset in datasets):
        raise InputError("there is no data set to fit", mend="give one the role FIT")
    return tuple(datasets)


def _with_overrides(
    module: Module,
    names: Sequence[str],
    bounds: Mapping[str, tuple[float | None, float | None] | None],
    priors: Mapping[str, AbstractPrior | None],
) -> Module:
    """A copy of the Module whose chosen Parameters have the bounds and priors of the problem.

    The fitted Module then carries them too, and what is saved of it can be loaded again.
    """
    changes: dict[str, dict[str, Any]] = {}
    for name, given in spread_globs("bounds", bounds, names, module).items():
        changes.setdefault(name, {})["bounds"] = given
    for name, prior in spread_globs("priors", priors, names, module).items():
        changes.setdefault(name, {})["prior"] = prior
    module = copy.deepcopy(module)
    for name, change in changes.items():
        parameter = module.get_parameter(name)
        try:
            meta = dataclasses.replace(parameter.meta, **change)
            parameter.meta = meta
        except InputError as error:
            raise InputError(
                f"starts at {np.array2string(np.asarray(parameter.value), precision=6)}; "
                f"{error.what}",
                where=f"parameter {name!r}",
                mend=error.mend,
            ) from None
    return module


def _free_mask(coordinates: Sequence[Coordinate], held: Sequence[str]) -> np.ndarray:
    known = {coordinate.label for coordinate in coordinates} | {c.name for c in coordinates}
    for label in held:
        if label not in known:
            raise unknown_name("fitted parameter", label, known, where="held")
    return np.array([c.label not in held and c.name not in held for c in coordinates])
