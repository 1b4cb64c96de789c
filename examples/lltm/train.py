"""Train the LLTM cell, in C++ and in JAX, to recall a number that it saw some steps ago.

python examples/lltm/train.py
"""

import argparse
import time

import jax
import jax.numpy as jnp
import optax
from lltm import LLTM

import gradion
from gradion import Module, nn

BATCH, LENGTH, STATE = 64, 12, 64


class Recall(Module):
    """Read a sequence by a cell, then say one number: (length, batch, 2) to (batch,)."""

    def __init__(self, cell, *, key):
        super().__init__()
        self.cell = cell
        self.readout = nn.Linear(STATE, 1, key=key)

    def forward(self, sequence):
        zeros = jnp.zeros((sequence.shape[1], STATE), sequence.dtype)

        def step(state, x):
            return self.cell(x, state), None

        (h, _), _ = jax.lax.scan(step, (zeros, zeros), sequence)
        return self.readout(h)[:, 0]


def examples(key):
    """Sequences of a number and a mark, which is 1 at one step; the number there is the answer."""
    for_numbers, for_place = jax.random.split(key)
    numbers = jax.random.uniform(for_numbers, (LENGTH, BATCH), jnp.float32, -1.0, 1.0)
    place = jax.random.randint(for_place, (BATCH,), 0, LENGTH)
    marks = (jnp.arange(LENGTH)[:, None] == place).astype(jnp.float32)
    return jnp.stack([numbers, marks], axis=-1), (numbers * marks).sum(0)


def mean_square_error(model, sequence, answer):
    return jnp.mean((model(sequence) - answer) ** 2)


def train(cell, steps):
    """Mean square error of the last 20 steps, and milliseconds a step."""
    model = Recall(cell, key=jax.random.key(1))
    optimizer = optax.adam(3e-3)
    state = optimizer.init(model.parameter_values())

    @gradion.jit
    def train_step(model, state, key):
        sequence, answer = examples(key)
        loss, gradient = gradion.value_and_grad(mean_square_error)(model, sequence, answer)
        updates, state = optimizer.update(gradient, state)
        model.set_parameters(optax.apply_updates(model.parameter_values(), updates))
        return loss, state

    losses = []
    for number, key in enumerate(jax.random.split(jax.random.key(2), steps)):
        loss, state = train_step(model, state, key)
        losses.append(float(loss))
        if number == 0:
            start = time.perf_counter()  # after compiling
    milliseconds = 1e3 * (time.perf_counter() - start) / max(steps - 1, 1)
    return sum(losses[-20:]) / len(losses[-20:]), milliseconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=1000)
    steps = parser.parse_args().steps
    # A model that always says 0 has the variance of the numbers, 1/3.
    print("mean square error of no memory: 0.3333")
    for name, kind in (("JAX", nn.LLTM), ("C++", LLTM)):
        error, milliseconds = train(kind(2, STATE, key=jax.random.key(0)), steps)
        print(f"{name}: mean square error {error:.4f}, {milliseconds:.2f} ms a step")


if __name__ == "__main__":
    main()
