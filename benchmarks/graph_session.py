"""Sessions beside those of TensorFlow 1, and beside bare jit.

    python benchmarks/graph_session.py [part ...]

Parts: small (a constant, a + 1), train (a step of an MLP 64-128-128-1, batch 64, by SGD and Adam),
first (from a graph to its first results). Competitors take turns in one process; median of the
rounds (least). TensorFlow takes part where it is installed, as it comes and with its operations in
the caller's thread (inter_op_parallelism_threads=-1), which is quicker for programs this small.
"""

from __future__ import annotations

import importlib.util
import itertools
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from harness.parts import print_parts
from harness.rounds import Times, compare, table

from gradion.graph import Graph
from gradion.graph.build import (
    Variable,
    apply,
    constant,
    initialize_all,
    placeholder,
    variable,
)
from gradion.graph.session import Session, SessionConfig
from gradion.graph.training import minimize

# Else small programs take one of two times.
jax.config.update("jax_cpu_enable_async_dispatch", False)

SIZES, BATCH = (64, 128, 128, 1), 64
# Nothing is taken from disk: what is compiled here is compiled.
CONFIG = SessionConfig(keep_executables=False)
HAS_TENSORFLOW = importlib.util.find_spec("tensorflow") is not None
_Run = Callable[[], Any]


def tensorflow() -> Any:
    import tensorflow

    return tensorflow.compat.v1


def tensorflow_sessions(tf: Any, graph: Any) -> dict[str, Any]:
    """Sessions of TensorFlow 1, by what is said of them."""
    in_thread = tf.ConfigProto(inter_op_parallelism_threads=-1)
    return {
        "TensorFlow": tf.Session(graph=graph),
        "TensorFlow in one thread": tf.Session(graph=graph, config=in_thread),
    }


def data() -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """A batch, its targets, and first weights and biases, in float32."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, SIZES[0])).astype("float32")
    y = rng.normal(size=(BATCH, 1)).astype("float32")
    weights = []
    for n, m in itertools.pairwise(SIZES):
        weights.append((rng.normal(size=(n, m)) / np.sqrt(n)).astype("float32"))
        weights.append(np.zeros(m, "float32"))
    return x, y, weights


def mlp_loss(weights: list[Any], x: Any, y: Any) -> Any:
    for w, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        x = jnp.tanh(x @ w + b)
    return jnp.mean((x @ weights[-2] + weights[-1] - y) ** 2)


def small() -> None:
    """A constant, and a + 1 of a fed number."""
    runs: dict[str, _Run] = {}
    with Graph() as graph:
        a = placeholder("float64", name="a")
        plus, number = a + 1.0, constant(2.0)
    session, fed = Session(graph=graph, config=CONFIG), np.asarray(3.0)
    call = session.make_callable(plus, [a])
    jitted = jax.jit(lambda a: a + 1.0)
    runs["a constant: gradion, Session.run"] = lambda: session.run(number)
    runs["a + 1: gradion, Session.run"] = lambda: session.run(plus, {a: fed})
    runs["a + 1: gradion, make_callable"] = lambda: call(fed)
    runs["a + 1: jax.jit, NumPy in and out"] = lambda: np.array(jitted(fed))
    if HAS_TENSORFLOW:
        tf = tensorflow()
        with tf.Graph().as_default() as other:
            b = tf.placeholder(tf.float64, ())
            more, two = b + 1.0, tf.constant(2.0)
        for who, peer in tensorflow_sessions(tf, other).items():
            called = peer.make_callable(more, [b])
            runs[f"a constant: {who}, Session.run"] = lambda s=peer: s.run(two)
            runs[f"a + 1: {who}, Session.run"] = lambda s=peer: s.run(more, {b: fed})
            runs[f"a + 1: {who}, make_callable"] = lambda f=called: f(fed)
    show(compare(dict(sorted(runs.items()))))


def our_step(optimiser: optax.GradientTransformation) -> tuple[_Run, _Run]:
    """A step of gradion, by run and by a callable; each returns the loss."""
    x, y, weights = data()
    with Graph() as graph:
        inputs = placeholder("float32", x.shape, name="x")
        targets = placeholder("float32", y.shape, name="y")
        held: list[Variable] = [variable(w, name=f"w{i}") for i, w in enumerate(weights)]
        loss = apply(mlp_loss, held, inputs, targets, name="loss")
        train = minimize(loss, optimiser)
        first = initialize_all()
    session = Session(graph=graph, config=CONFIG)
    session.run(first)
    call = session.make_callable([train, loss], [inputs, targets])
    return (
        lambda: session.run([train, loss], {inputs: x, targets: y})[1],
        lambda: call(x, y)[1],
    )


def jit_step(optimiser: optax.GradientTransformation) -> _Run:
    """A step of bare jit whose state is donated; NumPy in, NumPy out."""
    x, y, weights = data()

    def step(weights: Any, state: Any, x: Any, y: Any) -> Any:
        loss, slopes = jax.value_and_grad(mlp_loss)(weights, x, y)
        change, state = optimiser.update(slopes, state, weights)
        return optax.apply_updates(weights, change), state, loss

    jitted = jax.jit(step, donate_argnums=(0, 1))
    held = [jnp.array(w) for w in weights]
    kept = [held, optimiser.init(held)]

    def run() -> Any:
        *kept[:], loss = jitted(*kept, x, y)
        return np.array(loss)

    return run


def tensorflow_steps(make: Callable[[Any], Any]) -> dict[str, _Run]:
    """Steps of TensorFlow 1, by run and by a callable; each returns the loss."""
    tf = tensorflow()
    x, y, weights = data()
    with tf.Graph().as_default() as graph:
        inputs = tf.placeholder(tf.float32, x.shape)
        targets = tf.placeholder(tf.float32, y.shape)
        held = [tf.Variable(w) for w in weights]
        h = inputs
        for w, b in zip(held[:-2:2], held[1:-2:2], strict=True):
            h = tf.tanh(h @ w + b)
        loss = tf.reduce_mean((h @ held[-2] + held[-1] - targets) ** 2)
        train = make(tf).minimize(loss)
        first = tf.global_variables_initializer()
    runs: dict[str, _Run] = {}
    for who, session in tensorflow_sessions(tf, graph).items():
        session.run(first)
        call = session.make_callable([train, loss], [inputs, targets])
        feeds = {inputs: x, targets: y}
        runs[f"{who}, Session.run"] = lambda s=session, d=feeds: s.run([train, loss], d)[1]
        runs[f"{who}, make_callable"] = lambda f=call: f(x, y)[1]
    return runs


def train() -> None:
    """A step of training; all compute the same, which is checked first."""
    for name, optimiser, peer in (
        ("SGD", optax.sgd(1e-3), lambda tf: tf.train.GradientDescentOptimizer(1e-3)),
        ("Adam", optax.adam(1e-3), lambda tf: tf.train.AdamOptimizer(1e-3)),
    ):
        run, called = our_step(optimiser)
        runs = {
            f"{name}: gradion, Session.run": run,
            f"{name}: gradion, make_callable": called,
            f"{name}: jax.jit, donated": jit_step(optimiser),
        }
        if HAS_TENSORFLOW:
            runs |= {f"{name}: {who}": step for who, step in tensorflow_steps(peer).items()}
        losses = {key: float(f()) for key, f in runs.items() if "make_callable" not in key}
        worst = max(losses.values()) - min(losses.values())
        print(f"{name}: first losses differ by {worst:.0e}")
        times = compare(runs, calls=400)
        show(times)
        bare = times[f"{name}: jax.jit, donated"]
        for key in (f"{name}: gradion, Session.run", f"{name}: gradion, make_callable"):
            print(f"{key}: {times[key].ratio(bare):.2f} x jit donated")
        print()


def first() -> None:
    """From a finished graph to initialised variables and to the first step; once, no cache."""
    x, y, weights = data()
    rows = []
    for name, optimiser in (("SGD", optax.sgd(1e-3)), ("Adam", optax.adam(1e-3))):
        with Graph() as graph:
            inputs = placeholder("float32", x.shape, name="x")
            targets = placeholder("float32", y.shape, name="y")
            held = [variable(w, name=f"w{i}") for i, w in enumerate(weights)]
            loss = apply(mlp_loss, held, inputs, targets, name="loss")
            step = minimize(loss, optimiser)
            start = initialize_all()
        session = Session(graph=graph, config=CONFIG)
        feeds = {inputs: x, targets: y}
        taken = [
            seconds(lambda s=session, f=start: s.run(f)),
            seconds(lambda s=session, f=step, d=feeds: s.run(f, d)),
            seconds(lambda s=session, f=loss, d=feeds: s.run(f, d)),
        ]
        rows.append([name, *(f"{1e3 * t:.0f}" for t in taken)])
    table(["optimiser", "initialise [ms]", "first step [ms]", "another fetch [ms]"], rows)


def seconds(run: _Run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def show(times: dict[str, Times]) -> None:
    rows = [
        [
            name,
            f"{t.median_cpu:.1f} ({t.least_cpu:.1f})",
            f"{t.median_wall:.1f} ({min(t.wall):.1f})",
        ]
        for name, t in times.items()
    ]
    table(["run", "CPU [us]", "wall [us]"], rows)


def main() -> None:
    packages = ["jax", "optax", *(["tensorflow-cpu"] if HAS_TENSORFLOW else [])]
    parts = {"small": small, "train": train, "first": first}
    print_parts(parts, sys.argv[1:], packages=packages)


if __name__ == "__main__":
    main()
