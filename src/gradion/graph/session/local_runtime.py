"""Steps and variables in this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import jax
import jax.numpy as jnp
import numpy as np

from gradion.graph.graph import Graph
from gradion.graph.session.device_info import DeviceInfo
from gradion.graph.session.local_step import LocalStep
from gradion.graph.session.runtime import AbstractRuntime
from gradion.graph.session.session_config import SessionConfig
from gradion.graph.session.step_layout import StepLayout
from gradion.graph.session.variable_store import VariableStore
from gradion.graph.xla import user_cache

__all__ = ["LocalRuntime"]


@final
class LocalRuntime(AbstractRuntime):
    """JAX's devices in this process; variables are arrays on them."""

    def __init__(self, config: SessionConfig) -> None:
        self._config = config
        self._cache = user_cache() if config.keep_executables else None
        self._store = VariableStore()

    def prepare(self, graph: Graph) -> LocalStep:
        """Compile what has to be computed; a graph of what is known compiles nothing."""
        layout = StepLayout.of(graph, self._config.passes)
        return LocalStep(layout, self._store, device=self._config.device, cache=self._cache)

    def values(self) -> dict[str, np.ndarray]:
        """Copies of all values."""
        with self._store.lock:
            return {name: np.array(value) for name, value in self._store.current().items()}

    def restore(self, values: Mapping[str, np.ndarray]) -> None:
        """Give variables these values."""
        placed = {k: jnp.array(v, device=self._config.device) for k, v in values.items()}
        with self._store.lock:
            self._store.keep(placed)

    def devices(self) -> tuple[DeviceInfo, ...]:
        """The devices of all platforms of JAX in this process."""
        return tuple(map(_info, jax.local_devices()))

    def close(self) -> None:
        """Let go of the values."""
        self._store.clear()


def _info(device: jax.Device) -> DeviceInfo:
    stats = device.memory_stats() or {}
    return DeviceInfo(
        f"{device.platform}:{device.id}",
        device.platform,
        device.device_kind,
        stats.get("bytes_limit"),
    )
