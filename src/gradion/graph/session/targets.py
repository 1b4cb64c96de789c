"""Where sessions can run: the text of a target, and who answers to it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from typing import Final

from gradion.foundation.errors import unknown_name
from gradion.graph.session.local_runtime import LocalRuntime
from gradion.graph.session.runtime import AbstractRuntime
from gradion.graph.session.session_config import SessionConfig

__all__ = ["RuntimeFactory", "open_runtime", "register_target"]

# Makes the runtime of a target: the whole text, and the configuration of the session.
RuntimeFactory = Callable[[str, SessionConfig], AbstractRuntime]

_ENTRY_POINTS: Final = "gradion.sessions"
_factories: Final[dict[str, RuntimeFactory]] = {}


def register_target(scheme: str, factory: RuntimeFactory) -> None:
    """Let `factory` make the runtimes of the targets `<scheme>://...`.

    A package offers one without being imported by an entry point of the group "gradion.sessions",
    whose name is the scheme. Raises ValueError for a scheme that is no identifier, or is taken.
    """
    if not scheme.isidentifier():
        raise ValueError(f"scheme: got {scheme!r}, expected a word such as 'grpc'")
    if _factories.setdefault(scheme, factory) is not factory:
        raise ValueError(f"the scheme {scheme!r} is taken")


def open_runtime(target: str, config: SessionConfig) -> AbstractRuntime:
    """The runtime of a target; this process for "".

    Raises InputError, with near names, for a target that nobody answers to.
    """
    if not target:
        return LocalRuntime(config)
    scheme = target.partition("://")[0]
    if scheme in _factories:
        return _factories[scheme](target, config)
    offered = {e.name: e for e in importlib.metadata.entry_points(group=_ENTRY_POINTS)}
    if scheme not in offered:
        raise unknown_name("session target", target, [f"{s}://" for s in {*_factories, *offered}])
    factory: RuntimeFactory = offered[scheme].load()
    return factory(target, config)
