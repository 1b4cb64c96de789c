"""A step in this process: a compiled program between feeds, variables and fetches."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, final

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Sharding

from gradion.graph.memory_plan import plan_memory
from gradion.graph.session.errors import CheckFailedError, UninitializedVariableError
from gradion.graph.session.held_interrupt import held_interrupt
from gradion.graph.session.operation_runner import OperationRunner
from gradion.graph.session.run_trace import StepAnalysis, TracedRun, TraceEvent
from gradion.graph.session.runtime import AbstractStep
from gradion.graph.session.step_layout import Computed, Passed, Source, StepLayout
from gradion.graph.session.variable_store import Values, VariableStore
from gradion.graph.xla import ExecutableCache, compile_xla

__all__ = ["LocalStep"]

_Call = Callable[..., list[jax.Array]]
_Executed = tuple[list[jax.Array], Sequence[np.ndarray]]
# What the runtime raises for a buffer that is gone, among other things.
_DELETED: Final = (RuntimeError, ValueError)
_NUMPY: Final = frozenset({np.ndarray})


@final
class LocalStep(AbstractStep):
    """A layout with its program compiled.

    Buffers of variables that get new values are taken over by these, unless the run may still fail
    when the program has been started: then both are there until it is known how the run ends.
    """

    def __init__(
        self,
        layout: StepLayout,
        store: VariableStore,
        *,
        device: jax.Device | Sharding | None,
        cache: ExecutableCache | None,
    ) -> None:
        self._layout = layout
        self._store = store
        self._device = device
        self._cache = cache
        self._careful = layout.can_fail
        self._executable = None
        self._call: _Call = _nothing
        if layout.program is not None:
            donated = () if self._careful else layout.donated
            self._executable = compile_xla(
                layout.program, donated=donated, device=device, cache=cache
            )
            self._call = self._executable.call
        self._values = _reader(layout)
        self._pick = _picker(layout)
        self._changes = bool(layout.writes or layout.written or layout.checks)
        # Types or kinds (see _kind) of arrays that the program was called with.
        self._seen: set[Any] = set()
        self._runner: OperationRunner | None = None
        self._analysis: StepAnalysis | None = None
        self._order_fetches(layout)

    def _order_fetches(self, layout: StepLayout) -> None:
        """Sort the fetches by where they come from; numbers that are known are in place."""
        self._template: list[Any] = [None] * len(layout.fetches)
        self._known: list[tuple[int, np.ndarray]] = []
        self._computed: list[tuple[int, int, bool]] = []
        self._passed: list[tuple[int, int]] = []
        for k, source in enumerate(layout.fetches):
            match source:
                case Computed(place):
                    shape = layout.program.outputs[place].shape if layout.program else ()
                    self._computed.append((k, place, not shape))
                case Passed(place):
                    self._passed.append((k, place))
                case np.ndarray(ndim=0):
                    self._template[k] = source[()]
                case np.ndarray():
                    self._known.append((k, source))
        self._shows_written = any(place < len(layout.written) for _, place, _ in self._computed)
        self._is_computed = len(self._computed) == len(layout.fetches)
        # In most graphs without variables: everything is computed of feeds.
        self._is_function = self._is_computed and not (self._changes or layout.reads)

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        """The outputs."""
        if self._is_function:
            return self._fetch(self._call(*self._pick(arrays, ())), ())
        if self._shows_written:
            # What is fetched is a buffer of a variable by now, and nobody may take it over yet.
            with self._store.lock:
                return self._fetch(*self._execute(arrays, self._call))
        return self._fetch(*self._execute(arrays, self._call))

    def trace(self, arrays: Sequence[Any], *, operations: bool) -> TracedRun:
        """The outputs, and what they took."""
        events: list[TraceEvent] = []
        call = self._call
        begin = time.perf_counter()
        if operations and self._layout.program is not None:
            if self._runner is None:
                self._runner = OperationRunner(self._layout.program, self._device, self._cache)
            call = _noting(self._runner, events)
        with self._store.lock:
            start = time.perf_counter()
            found, passed = self._execute(arrays, call)
            jax.block_until_ready(found)
            middle = time.perf_counter()
            results = self._fetch(found, passed)
            end = time.perf_counter()
        if operations:
            events.insert(0, TraceEvent("compile operations", "run", begin, start - begin))
        events.append(TraceEvent("execute", "run", start, middle - start))
        events.append(TraceEvent("fetch", "run", middle, end - middle))
        return TracedRun(results, tuple(events), self._analyse())

    def _execute(self, arrays: Sequence[Any], call: _Call) -> _Executed:
        """Results of the program, and copies of what is passed on."""
        if self._changes:
            with self._store.lock:
                found, passed = self._change(arrays, call)
                if found and not self._computed:
                    # A feed may be read until then, and an error may come.
                    found[0].block_until_ready()
            return found, passed
        if self._layout.reads:
            return self._store.read(self._compute, arrays, call)
        return self._compute({}, arrays, call)

    def _compute(self, current: Values, arrays: Sequence[Any], call: _Call) -> _Executed:
        values = self._read(current)
        passed = self._pass(arrays, values) if self._passed else ()
        return call(*self._pick(arrays, values)), passed

    def _change(self, arrays: Sequence[Any], call: _Call) -> _Executed:
        """Compute, and change variables; the lock is held."""
        layout = self._layout
        values = self._read(self._store.current())
        passed = self._pass(arrays, values) if self._passed else ()
        inputs = self._pick(arrays, values)
        others: dict[str, jax.Array] = {}
        if layout.writes:
            given = (*arrays, *values)
            others = {name: self._placed(_at(s, given)) for name, s in layout.writes.items()}
        if self._careful or call is not self._call:
            return self._try(call, inputs, (*arrays, *values), others), passed
        return self._take_over(arrays, inputs, others), passed

    def _try(
        self,
        call: _Call,
        inputs: Sequence[Any],
        given: Sequence[Any],
        others: Mapping[str, jax.Array],
    ) -> list[jax.Array]:
        """Keep new values when it is known that nothing has failed."""
        layout = self._layout
        found = jax.block_until_ready(call(*inputs))
        for check, source in layout.checks:
            flag = found[source.place] if isinstance(source, Computed) else _at(source, given)
            if not np.asarray(flag):
                raise CheckFailedError.of(check)
        self._store.keep({**others, **dict(zip(layout.written, found, strict=False))})
        return found

    def _take_over(
        self, arrays: Sequence[Any], inputs: Sequence[Any], others: Mapping[str, jax.Array]
    ) -> list[jax.Array]:
        """Put new values in the place of the old ones."""
        keep, names = self._store.call_and_keep, self._layout.written
        try:
            # Types are quickly compared, and tell all where no array is of JAX.
            if (types := tuple(map(type, arrays))) in self._seen:
                return keep(self._call, inputs, names, others)
            if (kinds := tuple(map(_kind, arrays))) in self._seen:
                return keep(self._call, inputs, names, others)
            # The first call of a kind goes through Python, where it could be interrupted.
            with held_interrupt():
                found = keep(self._call, inputs, names, others)
            self._seen.add(types if _NUMPY.issuperset(types) else kinds)
            return found
        except _DELETED:
            self._store.drop_lost()
            raise

    def _read(self, current: Values) -> tuple[jax.Array, ...]:
        try:
            return self._values(current)
        except KeyError as error:
            variables = {variable.name: variable for variable in self._layout.reads}
            raise UninitializedVariableError.of(variables[error.args[0]]) from None

    def _pass(self, arrays: Sequence[Any], values: Sequence[Any]) -> list[np.ndarray]:
        given = (*arrays, *values)
        return [np.array(given[place])[()] for _, place in self._passed]

    def _placed(self, value: Any) -> jax.Array:
        """A copy where variables are."""
        return jnp.array(value, device=self._device)

    def _fetch(self, found: Sequence[jax.Array], passed: Sequence[np.ndarray]) -> list[Any]:
        """The outputs; np.array, so that the caller can write to them and no buffer is held."""
        if self._is_computed:
            return [
                np.array(found[place])[()] if is_number else np.array(found[place])
                for _, place, is_number in self._computed
            ]
        results = self._template.copy()
        for k, place, is_number in self._computed:
            results[k] = np.array(found[place])[()] if is_number else np.array(found[place])
        for (k, _), value in zip(self._passed, passed, strict=True):
            results[k] = value
        for k, value in self._known:
            results[k] = value.copy()
        return results

    def _analyse(self) -> StepAnalysis:
        if self._analysis is None:
            made = self._executable
            self._analysis = StepAnalysis(
                report=self._layout.report,
                memory_plan=plan_memory(self._layout.program or self._layout.whole),
                memory=made.memory_analysis() if made else None,
                cost=made.cost_analysis() if made else {},
                compile_seconds=made.compile_seconds if made else 0.0,
                from_cache=made.from_cache if made else False,
            )
        return self._analysis


def _nothing(*_: Any) -> list[jax.Array]:
    return []


def _at(source: Source, given: Sequence[Any]) -> Any:
    return given[source.place] if isinstance(source, Passed) else source


def _kind(array: Any) -> Any:
    """What the call of a program looks at beside dtype and shape."""
    return None if type(array) is np.ndarray else (array.sharding, array.committed)


def _noting(runner: OperationRunner, events: list[TraceEvent]) -> _Call:
    def call(*inputs: Any) -> list[jax.Array]:
        found, taken = runner.run(inputs)
        events[:] = taken
        return found

    return call


def _reader(layout: StepLayout) -> Callable[[Mapping[str, jax.Array]], tuple[jax.Array, ...]]:
    """The values of the variables that are read; in one step of Python, so of one moment."""
    names = [variable.name for variable in layout.reads]
    if not names:
        return lambda _: ()
    if len(names) == 1:
        name = names[0]
        return lambda values: (values[name],)
    found: Any = operator.itemgetter(*names)
    return found


def _picker(layout: StepLayout) -> Callable[[Sequence[Any], Sequence[Any]], Sequence[Any]]:
    """The inputs of the program, of feeds and values of variables."""
    places = layout.inputs
    n_all = layout.n_feeds + len(layout.reads)
    if places != tuple(range(n_all)):
        return lambda arrays, values: [(*arrays, *values)[place] for place in places]
    if not layout.reads:
        return lambda arrays, _: arrays
    return lambda arrays, values: (*arrays, *values)
