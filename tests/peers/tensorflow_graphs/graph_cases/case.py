"""What a case is: one program, written for TensorFlow 1 and for gradion."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from gradion.graph import Graph
from gradion.graph.build import placeholder
from gradion.graph.session import Session
from graph_cases.outcome import attempt

__all__ = [
    "CASES",
    "AbstractProgram",
    "case",
    "expression",
    "register",
    "run_gradion",
    "run_tensorflow",
]


class AbstractProgram(ABC):
    """A program of graphs, written twice.

    Each half gets a new session; the session's graph is the current one. What it returns or raises
    is the outcome.
    """

    @abstractmethod
    def tensorflow(self, tf: Any, session: Any) -> Any:
        """The program for `tf.compat.v1`."""

    @abstractmethod
    def gradion(self, session: Session) -> Any:
        """The program for gradion."""


@final
@dataclass(frozen=True)
class Case:
    """A program and what is expected of it.

    `differs`: why gradion's outcome is not TensorFlow's, where that is by design; `ours` is then
    gradion's outcome.
    """

    program: AbstractProgram
    differs: str | None = None
    ours: Any = None


CASES: dict[str, Case] = {}


def case(
    program: type[AbstractProgram] | None = None, *, differs: str | None = None, ours: Any = None
) -> Any:
    """Register a class under its topic (the file) and its name, in words."""

    def registered(cls: type[AbstractProgram]) -> type[AbstractProgram]:
        words = re.sub(r"(?<=.)(?=[A-Z])", " ", cls.__name__).lower()
        register(f"{cls.__module__.rpartition('.')[2]}: {words}", Case(cls(), differs, ours))
        return cls

    return registered if program is None else registered(program)


def register(name: str, made: Case) -> None:
    """Put a case into the table. Raises ValueError for a name that is there."""
    if name in CASES:
        raise ValueError(f"the case {name!r} is there twice")
    CASES[name] = made


def expression(
    topic: str,
    words: str,
    theirs: Callable[..., Any],
    ours: Callable[..., Any],
    *feeds: Any,
    differs: str | None = None,
    outcome: Any = None,
) -> None:
    """Register a function of arrays, as both libraries write it, with what is fed to it.

    `theirs` takes `tf.compat.v1` and tensors, `ours` tensors.
    """
    arrays = [np.asarray(feed) for feed in feeds]
    register(f"{topic}: {words}", Case(_Expression(theirs, ours, arrays), differs, outcome))


@final
class _Expression(AbstractProgram):
    def __init__(
        self,
        theirs: Callable[..., Any],
        ours: Callable[..., Any],
        feeds: Sequence[np.ndarray],
    ) -> None:
        self._theirs = theirs
        self._ours = ours
        self._feeds = feeds

    def tensorflow(self, tf: Any, session: Any) -> Any:
        tensors = [tf.placeholder(x.dtype, x.shape) for x in self._feeds]
        fetches = self._theirs(tf, *tensors)
        return session.run(fetches, dict(zip(tensors, self._feeds, strict=True)))

    def gradion(self, session: Session) -> Any:
        tensors = [placeholder(x.dtype, x.shape) for x in self._feeds]
        fetches = self._ours(*tensors)
        return session.run(fetches, dict(zip(tensors, self._feeds, strict=True)))


def run_tensorflow(name: str, tf: Any) -> Any:
    """The outcome of a case in TensorFlow."""
    with tf.Graph().as_default() as graph, tf.Session(graph=graph) as session:
        return attempt(lambda: CASES[name].program.tensorflow(tf, session))


def run_gradion(name: str) -> Any:
    """The outcome of a case in gradion."""
    with Graph() as graph, Session(graph=graph) as session:
        return attempt(lambda: CASES[name].program.gradion(session))
