"""Sessions: where a graph runs, and where its variables have values."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, final

import jax.numpy as jnp
import numpy as np

from gradion.foundation.errors import InputError, unknown_name
from gradion.graph.build import current_graph
from gradion.graph.context import build_contexts
from gradion.graph.graph import Graph, Tensor, TensorType
from gradion.graph.session.default_session import install, uninstall
from gradion.graph.session.device_info import DeviceInfo
from gradion.graph.session.errors import line_of
from gradion.graph.session.feed import Feed, fed_tensor
from gradion.graph.session.fetch_tree import FetchTree, fetch_key
from gradion.graph.session.partial_run import PartialPlan, PartialRun
from gradion.graph.session.run_metadata import RunMetadata, RunOptions
from gradion.graph.session.run_plan import RunPlan
from gradion.graph.session.session_config import SessionConfig
from gradion.graph.session.signature import RunSignature
from gradion.graph.session.step_table import StepTable, put_bounded
from gradion.graph.session.targets import open_runtime
from gradion.graph.state import variable_type, variables

__all__ = ["AbstractSession", "InteractiveSession", "Session"]

_WHOLE = RunOptions()


class AbstractSession(ABC):
    """What all sessions can.

    A session has the values of the variables of one graph, which may grow meanwhile. Runs from
    several threads at once are right: one that changes variables has them for itself, and one that
    ends with an error changes none.
    """

    def __init__(
        self, target: str = "", graph: Graph | None = None, config: SessionConfig | None = None
    ) -> None:
        self._config = config or SessionConfig()
        self._graph = self._default_graph() if graph is None else graph
        self._runtime = open_runtime(target, self._config)
        self._closed = False
        self._planning = threading.RLock()
        self._plans: dict[Any, RunPlan] = {}
        self._tables: dict[RunSignature, StepTable] = {}
        self._partial: dict[RunSignature, PartialPlan] = {}

    @abstractmethod
    def _default_graph(self) -> Graph:
        """The graph of a session that is given none."""

    @abstractmethod
    def close(self) -> None:
        """Let go of variables and steps; the session runs nothing any more."""

    @property
    def graph(self) -> Graph:
        """The graph that it runs."""
        return self._graph

    @property
    def variables(self) -> dict[str, np.ndarray]:
        """Copies of the values of the variables that have one, as they are at one moment."""
        self._require_open()
        return self._runtime.values()

    def run(
        self,
        fetches: Any,
        feed_dict: Mapping[Any, Any] | None = None,
        options: RunOptions | None = None,
        run_metadata: RunMetadata | None = None,
    ) -> Any:
        """The values of the fetches, in the structure that they are given in.

        A fetch is a tensor, an operation, whose result is None, a variable, whose value is that
        after the run, or a name: "x:0" of a tensor, "x" of an operation. Structures are lists,
        tuples, namedtuples, dicts, and others that JAX knows. What the fetches need runs, once.
        Values are arrays and numbers of NumPy that belong to the caller.

        `feed_dict` gives values to tensors, by themselves or by name: arrays, numbers, lists. Any
        tensor can be fed; what only led to it does not run. `run_metadata` is filled in.

        The call returns when everything is done. Raises TypeError for what cannot be fetched or
        fed, ValueError for a tensor of another graph, InputError for an unknown name and for a
        feed of another shape, UnfedPlaceholderError, UninitializedVariableError,
        CheckFailedError, and RuntimeError if the session is closed.
        """
        if feed_dict is not None and type(feed_dict) is not dict:
            feed_dict = _mapping(feed_dict)
        names = tuple(feed_dict) if feed_dict else ()
        key = (fetches if type(fetches) is Tensor else fetch_key(fetches), names)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plan(fetches, names, key)
        values = feed_dict.values() if feed_dict else ()
        if run_metadata is not None:
            return plan.trace(values, options or _WHOLE, run_metadata)
        return plan.run(values)

    def make_callable(self, fetches: Any, feed_list: Sequence[Any] = ()) -> Callable[..., Any]:
        """A function of the values of the feeds, in order, that does what `run` does.

        Raises what `run` raises; the function raises TypeError for a wrong number of values.
        """
        names = tuple(feed_list)
        run = self._plan(fetches, names, (fetch_key(fetches), names)).run
        n_feeds = len(names)

        def call(*values: Any) -> Any:
            if len(values) != n_feeds:
                raise TypeError(f"got {len(values)} values, expected {n_feeds}")
            if self._closed:
                self._require_open()
            return run(values)

        return call

    def partial_run(self, fetches: Any, feeds: Sequence[Any] = ()) -> PartialRun:
        """A run in parts: each fetch and each feed may come in a part of its own, once.

        An operation runs once in all parts together, in the first one that needs it. `fetches` is
        everything that the parts will fetch, `feeds` all that they will feed. What one part leaves
        for the next is in the object that is returned, and nowhere else.

        Raises what `run` raises for fetches and feeds; UnfedPlaceholderError also for a
        placeholder that is needed by a fetch and is none of the feeds.
        """
        tree = FetchTree(self._graph, fetches)
        signature = RunSignature(tree.targets, tree.operations, self._sorted_feeds(feeds))
        with self._planning:
            self._require_open()
            plan = self._partial.get(signature)
            if plan is None:
                plan = PartialPlan(self._graph, signature, self._runtime)
                put_bounded(self._partial, signature, plan, limit=self._config.most_steps)
        return PartialRun(plan, self._require_open)

    def restore(self, values: Mapping[str, Any]) -> None:
        """Give variables values by name, all or none; such as `GraphDef.variables`.

        Raises InputError for a variable that the graph has not, and for another dtype or shape.
        """
        self._require_open()
        held = {operation.name: operation for operation in variables(self._graph)}
        arrays: dict[str, np.ndarray] = {}
        for name, value in values.items():
            if name not in held:
                raise unknown_name("variable", name, held)
            expected = variable_type(held[name])
            array = np.asarray(value)
            if array.shape == expected.shape and jnp.can_cast(
                array.dtype, jnp.dtype(expected.dtype), casting="same_kind"
            ):
                arrays[name] = array.astype(jnp.dtype(expected.dtype))
                continue
            raise InputError(
                f"the variable {name!r} holds {expected}, got "
                f"{TensorType(array.dtype.name, array.shape)}",
                where=line_of(held[name]),
            )
        self._runtime.restore(arrays)

    def list_devices(self) -> tuple[DeviceInfo, ...]:
        """What the session can run on."""
        self._require_open()
        return self._runtime.devices()

    def _plan(self, fetches: Any, names: tuple[Any, ...], key: Any) -> RunPlan:
        with self._planning:
            self._require_open()
            tree = FetchTree(self._graph, fetches)
            tensors = [fed_tensor(self._graph, name) for name in names]
            feeds = self._sorted_feeds(names)
            signature = RunSignature(tree.targets, tree.operations, feeds)
            table = self._tables.get(signature)
            limit = self._config.most_steps
            if table is None:
                table = StepTable(signature.part(self._graph), self._runtime, limit=limit)
                put_bounded(self._tables, signature, table, limit=limit)
            order = [tensors.index(tensor) for tensor in feeds]
            plan = RunPlan(
                [Feed(tensor) for tensor in tensors],
                None if order == sorted(order) else order,
                table,
                tree.build,
            )
            put_bounded(self._plans, key, plan, limit=limit)
            return plan

    def _sorted_feeds(self, names: Sequence[Any]) -> tuple[Tensor, ...]:
        # Sorted, so that another order of the same feeds is not another step.
        tensors = [fed_tensor(self._graph, name) for name in names]
        return tuple(sorted(tensors, key=lambda tensor: tensor.name))

    def _shut(self) -> None:
        with self._planning:
            if self._closed:
                return
            self._closed = True
            self._plans.clear()
            self._tables.clear()
            self._partial.clear()
        self._runtime.close()

    def _require_open(self) -> None:
        if self._closed:
            raise RuntimeError("the session is closed, and runs nothing any more")


@final
class Session(AbstractSession):
    """Runs parts of a graph, and has the values of its variables.

    `target` says where: "" is this process, others are those of `register_target`. `graph` is that
    of the enclosing `with graph:` if none is given. In `with Session(...) as session:` the session
    and its graph are the current ones, and at the end it is closed.

    Raises InputError for an unknown target, RuntimeError where there is no graph.
    """

    def _default_graph(self) -> Graph:
        return current_graph()

    def close(self) -> None:
        """Let go of variables and steps; the session runs nothing any more."""
        self._shut()

    def __enter__(self) -> Self:
        """Make it the current session. Raises RuntimeError if it is closed."""
        self._require_open()
        install(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        uninstall(self)
        self._shut()


@final
class InteractiveSession(AbstractSession):
    """A session that is the current one, with its graph, from the start until it is closed.

    For work at a prompt: without a graph, and where none is being written, it makes one.
    """

    def __init__(
        self, target: str = "", graph: Graph | None = None, config: SessionConfig | None = None
    ) -> None:
        super().__init__(target, graph, config)
        install(self)

    def _default_graph(self) -> Graph:
        return current_graph() if build_contexts.get() else Graph()

    def close(self) -> None:
        """Close it, and go back to the session and the graph of before."""
        uninstall(self)
        self._shut()


def _mapping(feed_dict: Any) -> dict[Any, Any]:
    if isinstance(feed_dict, Mapping):
        return dict(feed_dict)
    raise TypeError(f"feed_dict: got {type(feed_dict).__name__}, expected a mapping")
