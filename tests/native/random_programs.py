"""Random programs of elementwise operations, views and reductions, on arrays of odd sizes.

Operations that jump (comparisons, floor, positions of extrema, integers of numbers) are applied
only to values that are exact to the last bit in JAX and C++: those of no exp, sum or the like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_SHAPES = ((), (1,), (7,), (3, 5), (2, 1, 4), (0,), (3, 0))
_SMOOTH: tuple[Callable, ...] = (jnp.exp, jnp.tanh, jnp.sin, jnp.arctan, jnp.expm1, lax.logistic)
_EXACT: tuple[Callable, ...] = (
    jnp.negative,
    jnp.abs,
    jnp.square,
    lambda x: x**3,
    lambda x: 0.5 * x,
)
_JUMPS: tuple[Callable, ...] = (
    jnp.floor,
    jnp.sign,
    jnp.round,
    lambda x: jnp.where(x > 0.5, x, -1.0),
)
_PAIRS: tuple[Callable, ...] = (jnp.add, jnp.subtract, jnp.multiply, jnp.maximum, jnp.minimum)


@dataclass
class Program:
    """`function(*arrays)` gives `results`; `largest` is the largest finite number on the way."""

    arrays: list[np.ndarray]
    steps: list[tuple[Callable, tuple[int, ...]]] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    results: list[np.ndarray] = field(default_factory=list)
    largest: float = 0.0

    def function(self, *arrays: jax.Array) -> list[jax.Array]:
        values = list(arrays)
        for step, places in self.steps:
            values.append(step(*[values[p] for p in places]))
        return [values[p] for p in self.outputs]


def random_program(seed: int) -> Program:
    """A program of a dozen steps, with one to four outputs."""
    rng = np.random.default_rng(seed)
    dtype = np.float32 if seed % 5 == 4 else np.float64
    program = Program([_array(rng, dtype) for _ in range(3)])
    values = [jnp.asarray(x) for x in program.arrays]
    exact = [True] * 3
    for _ in range(12):
        step, places, keeps = _step(rng, values, exact)
        value = step(*[values[p] for p in places])
        program.steps.append((step, places))
        values.append(value)
        exact.append(keeps and all(exact[p] for p in places))
    count = int(rng.integers(1, 5))
    program.outputs = [len(values) - 1, *(int(i) for i in rng.integers(0, len(values), count - 1))]
    program.results = [np.asarray(values[p]) for p in program.outputs]
    finite = [np.abs(v[np.isfinite(v)]) for v in map(np.asarray, values) if v.dtype.kind == "f"]
    program.largest = max([1.0, *(float(v.max()) for v in finite if v.size)])
    return program


def _array(rng: np.random.Generator, dtype: type) -> np.ndarray:
    x = rng.normal(size=_SHAPES[rng.integers(len(_SHAPES))]).astype(dtype)
    x = np.asarray(x)
    if x.size > 2 and rng.random() < 0.3:
        x.reshape(-1)[rng.integers(x.size)] = rng.choice([np.nan, np.inf, -np.inf])
    return x


_Step = tuple[Callable, tuple[int, ...], bool]


def _step(rng: np.random.Generator, values: list, exact: list[bool]) -> _Step:
    """A step, the places of its arguments, and whether it keeps exact values exact."""
    place = int(rng.integers(max(0, len(values) - 5), len(values)))
    x = values[place]
    kind = int(rng.integers(9))
    if kind == 0:
        return _SMOOTH[rng.integers(len(_SMOOTH))], (place,), False
    if kind == 1 and exact[place]:
        return _JUMPS[rng.integers(len(_JUMPS))], (place,), True
    if kind in (2, 3):
        return _pair(rng, values, place)
    if kind in (4, 5):
        return _view(rng, x), (place,), True
    if kind == 6 and x.ndim:
        return _reduction(rng, x, exact[place]), (place,), False
    if kind == 7 and x.ndim:
        axis = int(rng.integers(x.ndim))
        others = [i for i, v in enumerate(values) if v.shape == x.shape]
        other = int(rng.choice(others))
        joined = jnp.stack if rng.random() < 0.3 else jnp.concatenate
        return (lambda a, b: joined([a, b], axis=axis)), (place, other), True
    return _EXACT[rng.integers(len(_EXACT))], (place,), True


def _pair(rng: np.random.Generator, values: list, place: int) -> _Step:
    fits = [i for i, v in enumerate(values) if _fit(v.shape, values[place].shape)] or [place]
    function = _PAIRS[rng.integers(len(_PAIRS))]
    return function, (place, int(rng.choice(fits))), True


def _fit(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        return int(np.prod(np.broadcast_shapes(a, b))) <= 200
    except ValueError:
        return False


def _view(rng: np.random.Generator, x: jax.Array) -> Callable:
    if not x.ndim:
        return lambda v: jnp.broadcast_to(v, (4,))
    axis = int(rng.integers(x.ndim))
    choice = int(rng.integers(7))
    if choice == 0:
        return lambda v: jnp.flip(v, axis)
    if choice == 1:
        order = tuple(int(i) for i in rng.permutation(x.ndim))
        return lambda v: jnp.transpose(v, order)
    if choice == 2:
        start = int(rng.integers(0, 2))
        step = int(rng.integers(1, 3))
        return lambda v: lax.slice_in_dim(v, min(start, v.shape[axis]), v.shape[axis], step, axis)
    if choice == 3:
        return lambda v: v.reshape(-1)
    if choice == 4:
        return lambda v: v[..., None]
    if choice == 5:
        config = [(int(rng.integers(-1, 3)), int(rng.integers(0, 2)), int(rng.integers(0, 2)))]
        config = [c if n > 1 else (1, 0, 0) for n, c in zip(x.shape, config * x.ndim, strict=True)]
        return lambda v: lax.pad(v, jnp.asarray(0.25, v.dtype), config)
    return lambda v: v.reshape(v.shape[::-1])


def _reduction(rng: np.random.Generator, x: jax.Array, exact: bool) -> Callable:
    axis = int(rng.integers(x.ndim))
    choices: list[Callable] = [lambda v: v.sum(axis), lambda v: jnp.cumsum(v, axis)]
    if x.shape[axis]:
        choices.append(lambda v: v.max(axis))
        if exact:
            choices.append(lambda v: v.argmin(axis).astype(v.dtype))
    if x.ndim > 1 and x.shape[-1] == x.shape[-2]:
        choices.append(lambda v: v @ v)
    return choices[rng.integers(len(choices))]
