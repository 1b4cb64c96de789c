"""The fit itself: optimise, judge, drop what the data cannot tell, and do it again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import jax
import numpy as np
from jaxtyping import Float

from gradion.fit.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from gradion.fit.fingerprint import fingerprint
from gradion.fit.identifiability import (
    DroppedParameter,
    Identifiability,
    IdentifiabilityRule,
    drop,
    identifiability_at,
    worst_parameter,
)
from gradion.fit.optimisers import AbstractOptimiser, LevenbergMarquardt
from gradion.fit.problem import Problem
from gradion.fit.result import DataSetResult, FitResult, ParameterResult, Timings
from gradion.fit.termination import FitError, Iteration, Termination
from gradion.fit.uncertainty import Uncertainty, uncertainty_at
from gradion.foundation.errors import InputError

__all__ = ["fit"]

Progress = Callable[[Iteration], None]
_SCALARS = ("number", "cost", "gradient_norm", "step_norm", "accepted", "start")


def fit(
    problem: Problem,
    *,
    optimiser: AbstractOptimiser[Any] | None = None,
    drop_unidentifiable: IdentifiabilityRule | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> FitResult:
    """Fit the parameters of a problem, and say how well they are known.

    - `optimiser`: `LevenbergMarquardt()` by default.
    - `drop_unidentifiable`: where given, the fit is repeated from the start with one more
      parameter held there (see `worst_parameter`), as long as one is not identifiable by the rule
      at the optimum; a single one is kept in any case. Without it all stay, and the verdicts are
      those of the default rule.
    - `checkpoint`: a file that is replaced after every iteration (see
      gradion.fit.checkpoint). With `resume` the fit goes on from it, if there is one, and ends
      with the same numbers, bit for bit, as one that was never interrupted; without `resume`
      what lies there is overwritten.
    - `progress`: called after every iteration, once it is in the checkpoint; what it raises
      ends the fit.

    A fit that stops before it has converged is returned all the same, since its best point and
    its history are what one needs to see why: look at `termination` or `is_success`. Raises
    FitError, with the name of the data set, if the start cannot be evaluated; InputError for a
    checkpoint of another fit or a folder that cannot be written.
    """
    run = _Run(problem, optimiser or LevenbergMarquardt(), drop_unidentifiable)
    run.open(None if checkpoint is None else Path(checkpoint), resume)
    return run.finish(progress)


@final
class _Run:
    """One fit under way."""

    def __init__(
        self, problem: Problem, optimiser: AbstractOptimiser[Any], rule: IdentifiabilityRule | None
    ) -> None:
        self.began = time.perf_counter()
        self.original, self.problem = problem, problem
        self.optimiser, self.asked_rule = optimiser, rule
        self.rule = IdentifiabilityRule() if rule is None else rule
        self.sections = fingerprint(problem, optimiser, rule)
        self.path: Path | None = None
        self.dropped: tuple[DroppedParameter, ...] = ()
        self.history: list[Iteration] = []
        self.state: Any = None
        self.first_prediction = self.first_jacobian = 0.0

    def open(self, path: Path | None, resume: bool) -> None:
        """Take up a checkpoint, if there is one and it is wanted."""
        self.path = path
        if path is None:
            if resume:
                raise InputError("resume needs a checkpoint", mend="name its file")
            return
        if not path.parent.is_dir():
            raise InputError("no such folder", where=str(path.parent), mend="make it first")
        found = read_checkpoint(path, self.sections) if resume else None
        if found is not None:
            self._restore(found)

    def finish(self, progress: Progress | None) -> FitResult:
        """Run to the end, over all rounds."""
        self._warm_up()
        while True:
            z, ending = self._optimise(progress)
            before_judging = time.perf_counter()
            uncertainty = uncertainty_at(self.problem, z, bound_tolerance=self.rule.bound_tolerance)
            found = identifiability_at(self.problem, z, uncertainty, self.rule)
            if not self._drop_worst(z, found):
                break
        now = time.perf_counter()
        timings = Timings(
            first_prediction=self.first_prediction,
            first_jacobian=self.first_jacobian,
            optimisation=before_judging - self.began,
            uncertainty=now - before_judging,
            total=now - self.began,
        )
        return self._result(z, ending, uncertainty, found, timings)

    # -- one round ---------------------------------------------------------------------------

    def _warm_up(self) -> None:
        """Check the start, with the first evaluations (and compilations) timed."""
        began = time.perf_counter()
        self.original.predictions(self.original.z_start)
        self.first_prediction = time.perf_counter() - began

    def _optimise(self, progress: Progress | None) -> tuple[np.ndarray, Termination]:
        optimiser = self.optimiser
        if self.state is None:
            began = time.perf_counter()
            self.state = optimiser.start(self.problem, self.problem.z_start)
            if not self.history:
                self.first_jacobian = time.perf_counter() - began
            self._record(progress)
        while optimiser.ending(self.state) is Termination.RUNNING:
            self.state = optimiser.step(self.problem, self.state)
            self._record(progress)
        ending = optimiser.ending(self.state)
        if ending is Termination.START_NOT_FINITE:
            self.problem.check_start()
            names = ", ".join(repr(d.name) for d in self.problem.datasets)
            raise FitError(
                f"data sets {names}: predictions are finite at the start, but their derivatives "
                "are not, or not at any start"
            )
        return optimiser.best(self.state), ending

    def _record(self, progress: Progress | None) -> None:
        latest = self.optimiser.iteration(self.state)._replace(round=len(self.dropped))
        self.history.append(latest)
        self._save()
        if progress is not None:
            progress(latest)

    def _drop_worst(self, z: np.ndarray, found: Identifiability) -> bool:
        """Hold the worst parameter, if the rule says so; whether there is another round."""
        if self.asked_rule is None or len(found.labels) == 1:
            return False
        worst = worst_parameter(self.problem, z, found, self.asked_rule)
        if worst is None:
            return False
        lost = drop(self.problem.coordinates[worst], found.reasons[worst], len(self.dropped) + 1)
        self._hold((*self.dropped, lost))
        self.state = None
        return True

    def _hold(self, dropped: tuple[DroppedParameter, ...]) -> None:
        self.dropped = dropped
        self.problem = self.original.holding([d.label for d in dropped])

    # -- checkpoint --------------------------------------------------------------------------

    def _save(self) -> None:
        if self.path is None:
            return
        leaves = jax.tree_util.tree_leaves(self.state)
        arrays = {f"state.{i:03d}": np.asarray(leaf) for i, leaf in enumerate(leaves)}
        for fits in range(len(self.dropped) + 1):
            rows = [item for item in self.history if item.round == fits]
            for name in (*_SCALARS, "z"):
                arrays[f"history.{fits:03d}.{name}"] = np.array([getattr(r, name) for r in rows])
        facts = {"dropped": [[d.label, d.reason] for d in self.dropped]}
        try:
            write_checkpoint(self.path, Checkpoint(arrays, facts, self.sections))
        except OSError as error:
            raise InputError(
                f"cannot write the checkpoint: {error.strerror or error}", where=str(self.path)
            ) from None

    def _restore(self, found: Checkpoint) -> None:
        known = {coordinate.label: coordinate for coordinate in self.original.coordinates}
        dropped = [
            drop(known[label], reason, k + 1)
            for k, (label, reason) in enumerate(found.facts["dropped"])
        ]
        self._hold(tuple(dropped))
        count = len(self.problem.coordinates)
        tree = jax.tree_util.tree_structure(self.optimiser.blank(count))
        names = sorted(name for name in found.arrays if name.startswith("state."))
        self.state = jax.tree_util.tree_unflatten(tree, [found.arrays[name] for name in names])
        for fits in range(len(dropped) + 1):
            columns = [found.arrays[f"history.{fits:03d}.{name}"] for name in (*_SCALARS, "z")]
            for number, cost, gradient, step, accepted, start, z in zip(*columns, strict=True):
                self.history.append(
                    Iteration(
                        number=int(number),
                        cost=float(cost),
                        gradient_norm=float(gradient),
                        step_norm=float(step),
                        accepted=bool(accepted),
                        z=z,
                        start=int(start),
                        round=fits,
                    )
                )

    # -- result ------------------------------------------------------------------------------

    def _result(
        self,
        z: Float[np.ndarray, " free"],
        ending: Termination,
        uncertainty: Uncertainty,
        found: Identifiability,
        timings: Timings,
    ) -> FitResult:
        from gradion import __version__  # the root package imports the layers, not the other way

        problem = self.problem
        parameters = []
        estimate = uncertainty.of(self.rule.kind)
        for i, coordinate in enumerate(problem.coordinates):
            low, high = estimate.intervals[i]
            parameters.append(
                ParameterResult(
                    label=coordinate.label,
                    name=coordinate.name,
                    unit=coordinate.unit,
                    start=coordinate.start,
                    bounds=coordinate.bounds,
                    fitted=float(uncertainty.values[i]),
                    standard_error=float(estimate.standard_errors[i]),
                    interval=(float(low), float(high)),
                    relative_error=float(found.relative_errors[i]),
                    at_bound=uncertainty.at_bound[i],
                    verdict=found.verdicts[i],
                    source=coordinate.source,
                )
            )
        return FitResult(
            module=problem.module_at(z),
            parameters=tuple(parameters),
            dropped=self.dropped,
            datasets=_dataset_results(problem, z, uncertainty),
            uncertainty=uncertainty,
            identifiability=found,
            iterations=tuple(self.history),
            termination=ending,
            cost_before=self.original.cost(self.original.z_start),
            cost_after=problem.cost(z),
            timings=timings,
            version=__version__,
            settings=self.sections,
        )


def _dataset_results(
    problem: Problem, z: np.ndarray, uncertainty: Uncertainty
) -> tuple[DataSetResult, ...]:
    before, after = problem.predictions(problem.z_start), problem.predictions(z)
    return tuple(
        DataSetResult(
            name=d.name,
            role=d.role,
            unit=d.unit,
            sigma=d.sigma,
            count=d.count,
            inputs=d.inputs,
            measured=d.measured,
            weights=np.asarray(d.weights),
            before=before[d.name],
            after=after[d.name],
            rms_before=d.rms(before[d.name]),
            rms_after=d.rms(after[d.name]),
            effective_count=uncertainty.effective_counts.get(d.name, float("nan")),
        )
        for d in problem.datasets
    )
