"""What a session asks of the place where its steps run and its variables live."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradion.graph.graph import Graph
from gradion.graph.session.device_info import DeviceInfo
from gradion.graph.session.run_trace import TracedRun

__all__ = ["AbstractRuntime", "AbstractStep"]


class AbstractStep(ABC):
    """A graph that is ready to run."""

    @abstractmethod
    def run(self, arrays: Sequence[Any]) -> list[Any]:
        """The outputs for the inputs, as arrays and numbers of NumPy that belong to the caller.

        `arrays` are of NumPy or of JAX, of exactly the types of the graph's inputs; they are left
        as they are. The call returns when everything is done. One that raises has changed no
        variable. Raises UninitializedVariableError and CheckFailedError.
        """

    @abstractmethod
    def trace(self, arrays: Sequence[Any], *, operations: bool) -> TracedRun:
        """Do what `run` does, and tell what it took.

        With `operations`, one operation after the other runs by itself. Raises what `run` raises.
        """


class AbstractRuntime(ABC):
    """Where steps run and variables live: this process, or others.

    A session has resolved names, checked feeds and cut the graph to what is needed before it
    comes here. All methods may be called from several threads at once.
    """

    @abstractmethod
    def prepare(self, graph: Graph) -> AbstractStep:
        """Make a graph of known sizes ready to run: inputs are fed, outputs come back.

        The graph may have state: variables are named by their operations.
        """

    @abstractmethod
    def values(self) -> dict[str, np.ndarray]:
        """Copies of the values of all variables that have one, as they are at one moment."""

    @abstractmethod
    def restore(self, values: Mapping[str, np.ndarray]) -> None:
        """Give variables these values, all or none; the arrays are copied."""

    @abstractmethod
    def devices(self) -> tuple[DeviceInfo, ...]:
        """What steps can run on."""

    @abstractmethod
    def close(self) -> None:
        """Let go of variables and steps."""
