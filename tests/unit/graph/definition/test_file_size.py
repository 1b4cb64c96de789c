"""Files are small: of the train step that peers were measured with."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from gradion.graph import capture
from gradion.graph.definition import GraphDef, to_bytes

# The same step in TensorFlow 2.21 (tf.compat.v1): 242 nodes, len(GraphDef.SerializeToString()).
TENSORFLOW_BYTES = 33_749


def _loss(layers, x, y):
    for w, b in layers[:-1]:
        x = jnp.tanh(x @ w + b)
    w, b = layers[-1]
    return jnp.mean((x @ w + b - y) ** 2)


def _step(layers, x, y):
    loss, slope = jax.value_and_grad(_loss)(layers, x, y)
    return loss, jax.tree.map(lambda p, g: p - 0.01 * g, layers, slope)


def test_a_train_step_is_smaller_than_those_of_peers():
    """A multilayer perceptron 64-128-128-1, batch 64, without its weights."""
    sizes = (64, 128, 128, 1)
    layers = [
        (np.ones(pair, np.float32), np.ones(pair[1], np.float32))
        for pair in itertools.pairwise(sizes)
    ]
    x, y = np.ones((64, 64), np.float32), np.ones((64, 1), np.float32)
    content = to_bytes(GraphDef.of(capture(_step, layers, x, y)))
    exported = jax.export.export(jax.jit(_step))(layers, x, y).serialize()
    assert len(content) < min(len(exported), TENSORFLOW_BYTES)
