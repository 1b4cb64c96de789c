"""A train step (SGD) of a 64-128-128-1 MLP with tanh, at batch 64."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from harness.peers import installed
from harness.rounds import compare, table
from jax import Array

import gradion
from gradion.nn import Linear

__all__ = ["report"]

SIZES = (64, 128, 128, 1)
BATCH = 64
RATE = 0.01
# Rounding differs by the order of sums; after three steps the losses agree to this.
SAME_LOSS = 1e-5


@dataclass(frozen=True)
class Problem:
    """Data, and the weights (n_out, n_in) and biases that all competitors start from."""

    x: np.ndarray
    y: np.ndarray
    weights: list[np.ndarray]
    biases: list[np.ndarray]


Step = Callable[[], Any]


def problem() -> Problem:
    """Random numbers in float32."""
    rng = np.random.default_rng(0)
    pairs = list(itertools.pairwise(SIZES))
    return Problem(
        rng.normal(size=(BATCH, SIZES[0])).astype(np.float32),
        rng.normal(size=(BATCH, 1)).astype(np.float32),
        [(rng.normal(size=(m, n)) / np.sqrt(n)).astype(np.float32) for n, m in pairs],
        [np.full(m, 0.01, np.float32) for _, m in pairs],
    )


# -- bare JAX ------------------------------------------------------------------------------------


def bare(given: Problem, *, donate: bool, count: bool = False) -> Step:
    """jax.jit over a dict of arrays, written by hand."""

    def step(state: dict[str, Array], x: Array, y: Array) -> tuple[dict[str, Array], Array]:
        def loss(weights: dict[str, Array]) -> Array:
            h = jnp.tanh(x @ weights["w0"].T + weights["b0"])
            h = jnp.tanh(h @ weights["w1"].T + weights["b1"])
            return jnp.mean((h @ weights["w2"].T + weights["b2"] - y) ** 2)

        state = dict(state)
        counter = {"count": state.pop("count") + 1} if count else {}
        value, gradient = jax.value_and_grad(loss)(state)
        return jax.tree.map(lambda p, g: p - RATE * g, state, gradient) | counter, value

    compiled = jax.jit(step, donate_argnums=(0,) if donate else ())
    state = {f"w{i}": jnp.array(w) for i, w in enumerate(given.weights)}
    state |= {f"b{i}": jnp.array(b) for i, b in enumerate(given.biases)}
    if count:
        state["count"] = jnp.zeros((), jnp.int32)
    x, y = jnp.array(given.x), jnp.array(given.y)

    def one() -> Array:
        nonlocal state
        state, value = compiled(state, x, y)
        return value.block_until_ready()

    return one


# -- gradion -------------------------------------------------------------------------------------


class MLP(gradion.Module):
    """As a user of PyTorch writes it."""

    count: Array

    def __init__(self, given: Problem, *, count: bool) -> None:
        super().__init__()
        for i, (weight, bias) in enumerate(zip(given.weights, given.biases, strict=True)):
            layer = Linear(weight.shape[1], weight.shape[0], key=jax.random.key(i))
            layer.get_parameter("weight").value = weight
            layer.get_parameter("bias").value = bias
            setattr(self, f"layer_{i}", layer)
        self.counted = count
        if count:
            self.register_buffer("count", jnp.zeros((), jnp.int32))

    def forward(self, x: Array) -> Array:
        if self.counted:
            self.count = self.count + 1
        return self.layer_2(jnp.tanh(self.layer_1(jnp.tanh(self.layer_0(x)))))


def ours(given: Problem, *, count: bool = False) -> Step:
    """gradion.jit, which donates by itself."""

    def loss(model: MLP, x: Array, y: Array) -> Array:
        return jnp.mean((model(x) - y) ** 2)

    @gradion.jit
    def step(model: MLP, x: Array, y: Array) -> Array:
        value, gradient = gradion.value_and_grad(loss)(model, x, y)
        old = model.parameter_values()
        model.set_parameters({name: old[name] - RATE * g for name, g in gradient.items()})
        return value

    model = MLP(given, count=count)
    x, y = jnp.array(given.x), jnp.array(given.y)
    return lambda: step(model, x, y).block_until_ready()


# -- peers ---------------------------------------------------------------------------------------


def equinox_step(given: Problem, *, donate: bool) -> Step:
    """eqx.filter_jit; with donation the model is not the first argument, which is kept."""

    class EqxMLP(eqx.Module):
        layers: list[eqx.nn.Linear]

        def __call__(self, x: Array) -> Array:
            for layer in self.layers[:-1]:
                x = jnp.tanh(layer(x))
            return self.layers[-1](x)

    layers = []
    for weight, bias in zip(given.weights, given.biases, strict=True):
        layer = eqx.nn.Linear(weight.shape[1], weight.shape[0], key=jax.random.key(0))
        layers.append(
            eqx.tree_at(lambda m: (m.weight, m.bias), layer, (jnp.array(weight), jnp.array(bias)))
        )

    @eqx.filter_value_and_grad
    def loss(model: EqxMLP, x: Array, y: Array) -> Array:
        return jnp.mean((jax.vmap(model)(x) - y) ** 2)

    def step(data: tuple[Array, Array], model: EqxMLP) -> tuple[EqxMLP, Array]:
        value, gradient = loss(model, *data)
        return eqx.apply_updates(model, jax.tree.map(lambda g: -RATE * g, gradient)), value

    # string: equinox's own option
    compiled = eqx.filter_jit(step, donate="all-except-first" if donate else "none")
    model = EqxMLP(layers)
    data = jnp.array(given.x), jnp.array(given.y)

    def one() -> Array:
        nonlocal model
        model, value = compiled(data, model)
        return value.block_until_ready()

    return one


def nnx_step(given: Problem, *, donate: bool = False, cached: bool = False) -> Step:
    """nnx.jit with nnx.Optimizer, or nnx.cached_partial of it."""
    import optax
    from flax import nnx

    class NnxMLP(nnx.Module):
        def __init__(self) -> None:
            for i, (weight, bias) in enumerate(zip(given.weights, given.biases, strict=True)):
                layer = nnx.Linear(weight.shape[1], weight.shape[0], rngs=nnx.Rngs(0))
                layer.kernel.set_value(jnp.array(weight.T))
                layer.bias.set_value(jnp.array(bias))
                setattr(self, f"layer_{i}", layer)

        def __call__(self, x: Array) -> Array:
            return self.layer_2(jnp.tanh(self.layer_1(jnp.tanh(self.layer_0(x)))))

    def step(model: NnxMLP, optimizer: nnx.Optimizer, x: Array, y: Array) -> Array:
        value, gradient = nnx.value_and_grad(lambda m: jnp.mean((m(x) - y) ** 2))(model)
        optimizer.update(model, gradient)
        return value

    model = NnxMLP()
    optimizer = nnx.Optimizer(model, optax.sgd(RATE), wrt=nnx.Param)
    compiled = nnx.jit(step, donate_argnums=(0, 1) if donate else ())
    x, y = jnp.array(given.x), jnp.array(given.y)
    if cached:
        known = nnx.cached_partial(compiled, model, optimizer)
        return lambda: known(x, y).block_until_ready()
    return lambda: compiled(model, optimizer, x, y).block_until_ready()


def torch_step(given: Problem) -> Step:
    """Eager PyTorch with torch.optim.SGD, one thread."""
    import torch

    torch.set_num_threads(1)
    layers: list[torch.nn.Module] = []
    for weight, bias in zip(given.weights, given.biases, strict=True):
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(weight))
            layer.bias.copy_(torch.tensor(bias))
        layers += [layer, torch.nn.Tanh()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    x, y = torch.tensor(given.x), torch.tensor(given.y)

    def one() -> Any:
        optimizer.zero_grad()
        value = torch.nn.functional.mse_loss(model(x), y)
        value.backward()
        optimizer.step()
        return value.detach()

    return one


# -- report --------------------------------------------------------------------------------------


def competitors() -> dict[str, Step]:
    """All that are installed, each with a state of its own."""
    given = problem()
    all_of_them = {
        "bare jax.jit, donated": bare(given, donate=True),
        "the same again": bare(given, donate=True),
        "bare jax.jit, donated, with a counter": bare(given, donate=True, count=True),
        "bare jax.jit, not donated": bare(given, donate=False),
        "gradion.jit": ours(given),
        "gradion.jit, with a counter as buffer": ours(given, count=True),
        "equinox filter_jit, donated": equinox_step(given, donate=True),
        "equinox filter_jit": equinox_step(given, donate=False),
    }
    if "flax" in installed():
        all_of_them["nnx.jit"] = nnx_step(given)
        all_of_them["nnx.jit, donated"] = nnx_step(given, donate=True)
        all_of_them["nnx.cached_partial"] = nnx_step(given, cached=True)
    if "torch" in installed():
        all_of_them["torch eager"] = torch_step(given)
    return all_of_them


def require_equal_work(steps: dict[str, Step]) -> float:
    """Take three steps with each; returns the largest relative difference of the last losses."""
    losses = {name: [float(step()) for _ in range(3)][-1] for name, step in steps.items()}
    first = next(iter(losses.values()))
    worst = max(abs(loss / first - 1) for loss in losses.values())
    if not worst < SAME_LOSS:
        raise RuntimeError(f"the competitors do not compute the same: {losses}")
    return worst


def report() -> None:
    """Print times of a step and their ratios to bare donated jax.jit."""
    steps = competitors()
    worst = require_equal_work(steps)
    times = compare(steps, rounds=25, calls=200)
    print("Train step, MLP 64-128-128-1, batch 64, float32, SGD; 25 rounds of 200 steps.")
    print(f"Losses after 3 steps agree to {max(worst, 1e-7):.0e}.")
    print()
    reference = times["bare jax.jit, donated"]
    table(
        ["step", "CPU [us], median (least)", "wall [us]", "ratio of CPU times"],
        [
            [
                name,
                f"{t.median_cpu:.0f} ({t.least_cpu:.0f})",
                f"{t.median_wall:.0f}",
                f"{t.ratio(reference):.2f}",
            ]
            for name, t in times.items()
        ],
    )
    with_counter = times["gradion.jit, with a counter as buffer"]
    ratio = with_counter.ratio(times["bare jax.jit, donated, with a counter"])
    print()
    print(f"Ratio of the two with a counter: {ratio:.2f}")
