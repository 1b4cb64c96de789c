"""Train a small network on noisy samples of a sine, and print its error where there is no noise.

python examples/mlp.py
"""

import jax
import jax.numpy as jnp
import optax

import gradion
from gradion import Module, nn


class MLP(Module):
    """Two layers: x (points, 1) to y (points, 1)."""

    def __init__(self, width, *, key):
        super().__init__()
        for_hidden, for_output = jax.random.split(key)
        self.hidden = nn.Linear(1, width, key=for_hidden)
        self.output = nn.Linear(width, 1, key=for_output)

    def forward(self, x):
        return self.output(jax.nn.tanh(self.hidden(x)))


def mean_square_error(model, x, y):
    return jnp.mean((model(x) - y) ** 2)


def main() -> None:
    for_model, for_x, for_noise = jax.random.split(jax.random.key(0), 3)
    model = MLP(64, key=for_model)
    x = jax.random.uniform(for_x, (256, 1), jnp.float32, -1.0, 1.0)
    y = jnp.sin(4 * x) + 0.05 * jax.random.normal(for_noise, x.shape, x.dtype)

    optimizer = optax.adam(optax.cosine_decay_schedule(2e-2, 2000))
    state = optimizer.init(model.parameter_values())

    @gradion.jit
    def train_step(model, state, x, y):
        loss, gradient = gradion.value_and_grad(mean_square_error)(model, x, y)
        updates, state = optimizer.update(gradient, state)
        model.set_parameters(optax.apply_updates(model.parameter_values(), updates))
        return loss, state

    for step in range(2000):
        loss, state = train_step(model, state, x, y)
        if step % 500 == 0:
            print(f"step {step:4d}: mean square error {loss:.5f}")

    grid = jnp.linspace(-1.0, 1.0, 201, dtype=jnp.float32)[:, None]
    error = jnp.sqrt(mean_square_error(model, grid, jnp.sin(4 * grid)))
    print(f"root mean square error without noise: {error:.4f}")


if __name__ == "__main__":
    main()
