"""Small models with closed forms, for the tests of the fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.fit import AbstractObservable, DataSet, Problem, Role
from gradion.module import Module, Parameter


class Decay(Module):
    """a exp(-k t) + c."""

    def __init__(self, a: float = 1.0, k: float = 0.5, c: float = 0.1) -> None:
        super().__init__()
        self.a = Parameter(a, unit="V", bounds=(0.1, 9.0), source="a made-up table")
        self.k = Parameter(k, unit="1/s", bounds=(1e-3, 100.0))
        self.c = Parameter(c, unit="V")


@dataclass(frozen=True)
class DecayObservable(AbstractObservable):
    """The value of a Decay at the times given."""

    def predict(self, module: Any, inputs: jax.Array) -> jax.Array:
        return module.a * jnp.exp(-module.k * inputs) + module.c


class Line(Module):
    """A polynomial, linear in its unbounded coefficients."""

    def __init__(self, coefficients: tuple[float, ...]) -> None:
        super().__init__()
        self.coefficients = Parameter(np.array(coefficients))


@dataclass(frozen=True)
class LineObservable(AbstractObservable):
    """sum_k c_k t^k."""

    def predict(self, module: Any, inputs: jax.Array) -> jax.Array:
        powers = jnp.arange(module.coefficients.size)
        return inputs[:, None] ** powers @ module.coefficients


class Kit(NamedTuple):
    """The models and makers, as one fixture."""

    Decay: Any
    DecayObservable: Any
    Line: Any
    LineObservable: Any

    def decay_data(
        self, name: str = "data", *, seed: int = 0, noise: float = 0.01, **given: Any
    ) -> DataSet:
        times = np.linspace(0.0, 4.0, 50)
        errors = noise * np.random.default_rng(seed).standard_normal(times.size)
        fields: dict[str, Any] = {
            "observable": DecayObservable(),
            "inputs": times,
            "measured": 2.0 * np.exp(-1.3 * times) + 0.3 + errors,
            "sigma": 0.01,
            "unit": "V",
        }
        return DataSet(name=name, **(fields | given))

    def decay_problem(self, **given: Any) -> Problem:
        datasets = [
            self.decay_data("first"),
            self.decay_data("second", seed=1),
            self.decay_data("third", seed=2, role=Role.VALIDATE),
        ]
        return Problem(Decay(), ["*"], datasets, **given)


@pytest.fixture(scope="session")
def kit() -> Kit:
    return Kit(Decay, DecayObservable, Line, LineObservable)
