"""Optimisers of optax as operations: the same steps as in JAX."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gradion.graph import Graph, evaluate, purify
from gradion.graph.build import initialize_all, placeholder, variable
from gradion.graph.training import minimize

X = np.random.default_rng(0).normal(size=(4, 3))
START = {"w": np.arange(6.0).reshape(3, 2) / 7.0, "b": np.zeros(2)}
OPTIMISERS = {
    "sgd": optax.sgd(0.1),
    "momentum": optax.sgd(0.1, momentum=0.9, nesterov=True),
    "adamw": optax.adamw(1e-2),
    "schedule": optax.adam(optax.cosine_decay_schedule(1e-2, 10)),
    "clipped": optax.chain(optax.clip_by_global_norm(0.1), optax.rmsprop(1e-2)),
}


def _loss(parameters):
    return jnp.mean(jax.nn.softplus(X @ parameters["w"] + parameters["b"]) ** 2)


def _written(optimiser):
    with Graph() as graph:
        x = placeholder("float64", (None, 3), name="x")
        w, b = (variable(START[name], name=name) for name in ("w", "b"))
        fixed = variable(1.0, name="fixed", trainable=False)
        y = np.logaddexp(x @ w + b, 0.0)
        loss = np.mean(y * y) * fixed
        step = minimize(loss, optimiser)
        initialise = initialize_all()
    return graph, x, loss, step, initialise


@pytest.mark.parametrize("name", OPTIMISERS)
def test_three_steps_are_optaxs(name):
    optimiser = OPTIMISERS[name]
    graph, x, loss, step, initialise = _written(optimiser)
    first = purify(graph.subgraph([initialise]))
    values = dict(zip((v.name for v in first.writes), evaluate(first.graph, []), strict=True))
    pure = purify(graph.subgraph([loss, step], [x]))
    assert "fixed" not in {v.name for v in pure.writes}
    parameters = {key: jnp.asarray(value) for key, value in START.items()}
    state = optimiser.init(parameters)
    for _ in range(3):
        out = evaluate(pure.graph, [X, *(values[v.name] for v in pure.reads)])
        values.update(zip((v.name for v in pure.writes), out[1:], strict=True))
        expected, slope = jax.value_and_grad(_loss)(parameters)
        change, state = optimiser.update(slope, state, parameters)
        parameters = optax.apply_updates(parameters, change)
        # logaddexp and softplus round apart in the last place.
        np.testing.assert_allclose(out[0], expected, rtol=1e-14)
    for key, value in parameters.items():
        np.testing.assert_allclose(values[key], value, rtol=1e-13)


def test_what_an_optimiser_remembers_is_variables_of_its_scope():
    graph, *_ = _written(optax.adam(1e-2))
    own = {o.name: o for o in graph if o.kind == "variable" and o.name.startswith("train/")}
    assert set(own) == {
        "train/0.count",
        "train/0.mu.b",
        "train/0.mu.w",
        "train/0.nu.b",
        "train/0.nu.w",
    }
    assert not any(o.attributes["trainable"] for o in own.values())


def test_variables_can_be_chosen():
    with Graph() as graph:
        w, b = (variable(1.0, name=name) for name in ("w", "b"))
        loss = w * w + b
        step = minimize(loss, optax.sgd(0.5), variables=[b])
        idle = variable(1.0, name="idle")
        with pytest.raises(ValueError, match=r"depends on none of \['idle'\]"):
            minimize(loss, optax.sgd(0.5), variables=[w, idle])
        with pytest.raises(ValueError, match="is no number"):
            minimize(w * np.ones(2), optax.sgd(0.5))
    pure = purify(graph.subgraph([step]))
    assert [v.name for v in pure.writes] == ["b"]
    assert float(evaluate(pure.graph, [1.0])[0]) == 0.5
