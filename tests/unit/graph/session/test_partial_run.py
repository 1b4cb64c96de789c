"""A run in parts gives what one run gives, and every operation runs once."""

import gc
import weakref

import jax.numpy as jnp
import numpy as np
import pytest

from gradion.foundation.errors import InputError
from gradion.graph import Graph
from gradion.graph.build import (
    apply,
    check,
    control_dependencies,
    identity,
    placeholder,
    variable,
)
from gradion.graph.session import CheckFailedError, Session, UnfedPlaceholderError


class Chain:
    """Two stages with an effect in each, and a value that goes from the first to the second."""

    def __init__(self):
        with Graph() as self.graph:
            self.x = placeholder("float64", ("n",), name="x")
            self.y = placeholder("float64", name="y")
            self.first_count = variable(0.0, name="first_count")
            self.last_count = variable(0.0, name="last_count")
            with control_dependencies([self.first_count.assign_add(1.0)]):
                self.middle = identity(self.x * 2.0, name="middle")
            self.sum = apply(jnp.sum, self.middle, name="sum")
            counted = self.last_count.assign_add(1.0)
            with control_dependencies([counted, self.middle.operation]):
                self.end = identity(self.middle + self.y, name="end")
            self.ones = apply(jnp.ones_like, self.middle, name="ones")
            with control_dependencies([check(self.y > 0, "y must be positive")]):
                self.checked = identity(self.y * self.sum, name="checked")
        self.session = Session(graph=self.graph)

    def counts(self):
        found = self.session.variables
        return float(found["first_count"]), float(found["last_count"])


@pytest.fixture(scope="module")
def shared():
    return Chain()


@pytest.fixture
def chain(shared):
    shared.session.restore({"first_count": 0.0, "last_count": 0.0})
    return shared


def test_parts(chain):
    run = chain.session.partial_run([chain.sum, chain.end, chain.middle], [chain.x, chain.y])
    assert run.run(chain.sum, {chain.x: [1.0, 2.0]}) == 6.0
    assert chain.counts() == (1.0, 0.0)
    np.testing.assert_array_equal(run.run({"end": chain.end}, {chain.y: 1.0})["end"], [3.0, 5.0])
    assert chain.counts() == (1.0, 1.0)
    np.testing.assert_array_equal(run.run("middle:0"), [2.0, 4.0])
    assert chain.counts() == (1.0, 1.0)
    assert run._held == {}  # nothing is held that nobody can ask for


def test_feeds_may_come_before_they_are_needed(chain):
    run = chain.session.partial_run([chain.sum, chain.end], [chain.x, chain.y])
    assert run.run([], {chain.y: 5.0}) == []
    assert run.run(chain.sum, {"x:0": [1.0]}) == 2.0
    assert run.run(chain.end) == [7.0]


def test_runs_are_apart_and_their_parts_are_made_once(chain):
    made = []
    runtime = chain.session._runtime
    prepare = runtime.prepare
    try:
        runtime.prepare = lambda graph: made.append(1) or prepare(graph)
        runs = [
            chain.session.partial_run([chain.end, chain.ones], [chain.x, chain.y]) for _ in range(2)
        ]
        for k, run in enumerate(runs):
            run.run(chain.ones, {chain.x: [float(k)]})
        for k, run in enumerate(runs):
            assert run.run(chain.end, {chain.y: 1.0}) == [2.0 * k + 1.0]
    finally:
        runtime.prepare = prepare
    assert len(made) == 2
    assert chain.counts() == (2.0, 2.0)


def test_intermediate_feeds_and_operations(chain):
    """Feeding cuts what only led there, its effects too."""
    session = chain.session
    run = session.partial_run([chain.sum, chain.ones.operation], [chain.middle])
    assert run.run(chain.sum, {chain.middle: [1.0, 4.0]}) == 5.0
    assert run.run("ones") is None
    assert chain.counts() == (0.0, 0.0)


def test_what_is_refused(chain):
    session = chain.session
    run = session.partial_run([chain.sum, chain.end], [chain.x, chain.y])
    with pytest.raises(UnfedPlaceholderError, match=r"test_partial_run\.py:\d+: .*'x' is needed"):
        run.run(chain.sum)
    with pytest.raises(InputError, match="'middle:0' was not announced as fetched"):
        run.run(chain.middle, {chain.x: [1.0]})
    with pytest.raises(InputError, match="'middle:0' was not announced as fed"):
        run.run(chain.sum, {chain.middle: [1.0]})
    assert run.run(chain.sum, {chain.x: [1.0]}) == 2.0
    with pytest.raises(InputError, match="'sum:0' was fetched by an earlier part"):
        run.run(chain.sum)
    with pytest.raises(InputError, match="'x:0' was fed by an earlier part"):
        run.run(chain.end, {chain.x: [1.0], chain.y: 1.0})
    with pytest.raises(UnfedPlaceholderError, match="'y' is needed"):
        run.run(chain.end)
    assert chain.counts() == (1.0, 0.0)
    with pytest.raises(UnfedPlaceholderError, match="'y' is needed"):
        session.partial_run(chain.end, [chain.x])
    with pytest.raises(TypeError, match="cannot fetch None"):
        session.partial_run([None])


def test_a_part_that_fails_can_be_repeated(chain):
    run = chain.session.partial_run([chain.sum, chain.checked], [chain.x, chain.y])
    run.run(chain.sum, {chain.x: [1.0]})
    with pytest.raises(CheckFailedError, match="y must be positive"):
        run.run(chain.checked, {chain.y: -1.0})
    assert run.run(chain.checked, {chain.y: 3.0}) == 6.0


def test_a_size_of_an_earlier_part_is_known_later():
    """The second part sees no array of the size that it needs."""
    with Graph() as graph:
        x = placeholder("float64", ("n",), name="x")
        total = apply(jnp.sum, x)
        scaled = total * apply(lambda x: jnp.full(2 * x.shape[0], 1.0), x)
    session = Session(graph=graph)
    for n in (2, 3):
        run = session.partial_run([total, scaled], [x])
        assert run.run(total, {x: np.ones(n)}) == n
        np.testing.assert_array_equal(run.run(scaled), np.full(2 * n, float(n)))


def test_nothing_is_left_behind(chain):
    run = chain.session.partial_run([chain.sum, chain.end], [chain.x, chain.y])
    run.run(chain.sum, {chain.x: [1.0]})
    (held,) = run._held.values()
    alive = weakref.ref(held)
    del run, held
    gc.collect()
    assert alive() is None
