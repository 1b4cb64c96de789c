"""What can be fetched and fed, what comes back, and which errors there are."""

from collections import OrderedDict, namedtuple
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.foundation.errors import InputError
from gradion.graph import Graph, array
from gradion.graph.build import (
    apply,
    check,
    constant,
    control_dependencies,
    graph_variables,
    group,
    identity,
    name_scope,
    placeholder,
    variable,
)
from gradion.graph.session import (
    CheckFailedError,
    InteractiveSession,
    Session,
    UnfedPlaceholderError,
    UninitializedVariableError,
    current_session,
)

Point = namedtuple("Point", "x y")


@pytest.fixture(scope="module")
def graph():
    with Graph() as graph:
        x = placeholder("float64", name="x")
        apply(lambda x: x + 1.0, x, name="more")
        constant(5.0, name="five")
        constant([1, 2, 3], name="row")
        rows = placeholder("float64", (None, 2), name="rows")
        apply(jnp.sum, rows, name="total")
        placeholder("int32", (2,), name="whole")
        variable([0.0, 0.0], name="empty")
        group(name="nothing")
        check(x > 0, "x must be positive", name="is_positive")
    return graph


@pytest.fixture(scope="module")
def session(graph):
    session = Session(graph=graph)
    yield session
    session.close()


@pytest.fixture(scope="module")
def x(graph):
    return graph.operation("x").outputs[0]


@pytest.fixture(scope="module")
def more(graph):
    return graph.operation("more").outputs[0]


def variable_of(session):
    return graph_variables(session.graph)["empty"]


def test_structures_are_kept(session, x, more):
    fed = {x: 2.0}
    assert session.run(more, fed) == 3.0
    assert session.run([more, x], fed) == [3.0, 2.0]
    assert session.run((more, [x, (more,)]), fed) == (3.0, [2.0, (3.0,)])
    found = session.run({"b": more, "a": [x], 3: Point(x, more)}, fed)
    assert found == {"b": 3.0, "a": [2.0], 3: Point(2.0, 3.0)}
    assert list(found) == ["b", "a", 3]
    assert type(found[3]) is Point
    ordered = session.run(OrderedDict([("z", x), ("a", more)]), fed)
    assert type(ordered) is OrderedDict
    assert list(ordered.items()) == [("z", 2.0), ("a", 3.0)]
    assert session.run([], fed) == []
    assert session.run({}) == {}


def test_equal_looking_structures_are_told_apart(session, x, more):
    fed = {x: 2.0}
    assert type(session.run((x, more), fed)) is tuple
    assert type(session.run([x, more], fed)) is list
    assert type(session.run(Point(x, more), fed)) is Point
    assert type(session.run([(x, more)], fed)[0]) is tuple
    assert type(session.run([Point(x, more)], fed)[0]) is Point
    assert list(session.run({"a": x, "b": more}, fed)) == ["a", "b"]
    assert list(session.run({"b": more, "a": x}, fed)) == ["b", "a"]


def test_names_and_operations(session, x, more):
    fed = {"x:0": 2.0}
    assert session.run("more:0", fed) == 3.0
    assert session.run("more", fed) is None
    assert session.run([more.operation, "five:0", "nothing"], fed) == [None, 5.0, None]


def test_values_are_of_numpy_and_of_the_caller(session, graph, x, more):
    assert type(session.run(more, {x: 1.0})) is np.float64
    assert type(session.run("five:0")) is np.float64
    row = session.run("row:0")
    row[:] = 0
    np.testing.assert_array_equal(session.run("row:0"), [1, 2, 3])
    given = np.ones((2, 2))
    passed = session.run("rows:0", {"rows:0": given})
    passed[:] = 0
    assert given.all()


def test_anything_can_be_fed(session, x, more):
    """What only led to a tensor that is fed is not needed."""
    assert session.run(more, {more: 7.0}) == 7.0
    assert session.run([more, "five:0"], {more: 7.0, "five:0": 1.0}) == [7.0, 1.0]


@pytest.mark.parametrize(
    "value",
    [3, 3.0, True, np.float32(3), np.array(3), jnp.array(3.0), jnp.array(3)],
    ids=lambda value: f"{type(value).__name__}-{np.asarray(value).dtype}",
)
def test_feeds_are_converted(session, x, more, value):
    assert session.run(more, {x: value}) == float(value) + 1


def test_any_mapping_feeds(session, x, more):
    assert session.run(more, MappingProxyType({x: 2.0})) == 3.0


def test_feeds_of_lists_and_of_other_layouts(session):
    assert session.run("total:0", {"rows:0": [[1, 2], [3, 4]]}) == 10.0
    steps = np.arange(12.0).reshape(3, 4)[::2, ::2]
    assert session.run("total:0", {"rows:0": steps}) == steps.sum()
    swapped = np.ones((2, 2), ">f8")
    assert session.run("total:0", {"rows:0": swapped}) == 4.0
    np.testing.assert_array_equal(session.run("whole:0", {"whole:0": [1, 2]}), [1, 2])
    assert session.run("whole:0", {"whole:0": np.array([1, 2])}).dtype == np.int32


def test_unknown_sizes(session):
    for n in (1, 3, 1):
        assert session.run("total:0", {"rows:0": np.ones((n, 2))}) == 2.0 * n
    with pytest.raises(InputError, match=r"rows:0: got shape \(2, 3\)"):
        session.run("total:0", {"rows:0": np.ones((2, 3))})


@pytest.mark.parametrize("value", [None, 3, [None], {"a": None}, np.ones(2), object(), {1.5}])
def test_what_cannot_be_fetched(session, value):
    with pytest.raises(TypeError, match="cannot fetch"):
        session.run(value)


def test_wrong_fetches(session):
    with pytest.raises(InputError, match=r"unknown operation 'mor'.*'more'"):
        session.run("mor")
    with pytest.raises(InputError, match="has 1 results, there is no 'more:1'"):
        session.run("more:1")
    with Graph() as other:
        foreign = constant(1.0)
    with pytest.raises(ValueError, match="of another graph"):
        session.run(foreign)
    with pytest.raises(ValueError, match="of another graph"):
        session.run("five:0", {foreign: 1.0})
    with pytest.raises(ValueError, match="of another graph"):
        session.run([other.operations[0]])


def test_wrong_feeds(session, x, more):
    with pytest.raises(
        InputError, match=r"test_session_run.*'x:0' is fed .* \(2,\), expected \(\)"
    ):
        session.run(more, {x: [1.0, 2.0]})
    with pytest.raises(TypeError, match="has no value; feed an array"):
        session.run(more, {x: more})
    for value in ("text", None, 1j, np.datetime64("2020-01-01")):
        with pytest.raises(TypeError, match="holds float64"):
            session.run(more, {x: value})
    for value in ([1.5, 2.0], [1, 2**40]):
        with pytest.raises(TypeError, match="int32"):
            session.run("whole:0", {"whole:0": value})
    with pytest.raises(InputError, match="no array"):
        session.run("total:0", {"rows:0": [[1.0], [1.0, 2.0]]})
    with pytest.raises(TypeError, match="feed_dict: got list, expected a mapping"):
        session.run(more, [x])
    with pytest.raises(TypeError, match="cannot feed 3"):
        session.run(more, {3: 1.0})
    with pytest.raises(ValueError, match="x:0 is fed twice"):
        session.run(more, {x: 1.0, "x:0": 1.0})
    with pytest.raises(InputError, match="no name of a tensor"):
        session.run(more, {"x": 1.0})
    with pytest.raises(TypeError, match="cannot be fed: restore"):
        session.run(more, {x: 1.0, variable_of(session): [1.0, 2.0]})
    with pytest.raises(TypeError, match="has no value"):
        jax.jit(lambda v: session.run(more, {x: v}))(1.0)


def test_what_is_missing_is_named_with_its_line(session, more):
    with pytest.raises(UnfedPlaceholderError, match=r"test_session_run\.py:\d+: .*'x' is needed"):
        session.run(more)
    with pytest.raises(
        UninitializedVariableError, match=r"test_session_run\.py:\d+: .*'empty' has no value"
    ):
        session.run(variable_of(session))


def test_checks(session, x, more):
    assert session.run(more, {x: -1.0}) == 0.0  # a check that nobody asks for does not run
    assert session.run("is_positive", {x: 1.0}) is None
    with pytest.raises(
        CheckFailedError, match=r"test_session_run\.py:\d+: x must be positive .*'is_positive'"
    ):
        session.run(["is_positive", more], {x: -1.0})


def test_a_check_that_is_known_to_fail():
    with Graph() as graph:
        never = check(constant(value=False), "never")
        always = check(constant(value=True), "always")
    session = Session(graph=graph)
    assert session.run(always) is None
    with pytest.raises(CheckFailedError, match="never"):
        session.run(never)


def test_control_dependencies_run_once_and_only_where_they_are_needed():
    with Graph() as graph:
        x = placeholder("float64", name="x")
        counter = variable(0.0, name="counter")
        tick = counter.assign_add(1.0)
        with control_dependencies([tick]):
            y = identity(x * 2.0)
        z = y + y
    session = Session(graph=graph)
    session.run(counter.initializer)
    assert session.run([y, z, y], {x: 1.0}) == [2.0, 4.0, 2.0]
    assert session.variables["counter"] == 1.0
    assert session.run(z, {y: 5.0}) == 10.0  # feeding y prunes what it had to wait for
    assert session.run(x, {x: 5.0}) == 5.0
    assert session.variables["counter"] == 1.0


def test_closed():
    with Graph() as graph:
        x = placeholder("float64")
        y = x + 1.0
    session = Session(graph=graph)
    call, partial = session.make_callable(y, [x]), session.partial_run(y, [x])
    assert call(1.0) == session.run(y, {x: 1.0}) == 2.0
    session.close()
    session.close()
    for use in (
        lambda: session.run(y, {x: 1.0}),
        lambda: call(1.0),
        lambda: partial.run(y, {x: 1.0}),
        lambda: session.variables,
        lambda: session.make_callable(y, [x]),
        lambda: session.partial_run(y, [x]),
        lambda: session.restore({}),
        session.list_devices,
        session.__enter__,
    ):
        with pytest.raises(RuntimeError, match="the session is closed"):
            use()


def test_callables(session, x, more):
    call = session.make_callable([more, {"x": x}], [x])
    assert call(1.0) == [2.0, {"x": 1.0}]
    assert session.make_callable("five:0")() == 5.0
    with pytest.raises(TypeError, match="got 2 values, expected 1"):
        call(1.0, 2.0)
    with pytest.raises(UnfedPlaceholderError):
        session.make_callable(more)


def test_a_finalized_graph_runs():
    with Graph() as graph:
        held = variable(1.0, name="held")
        twice = held * 2.0
    graph.finalize()
    session = Session(graph=graph)
    session.run(held.initializer)
    assert session.run([held, twice]) == [1.0, 2.0]


def test_current_sessions():
    with Graph() as graph:
        one = constant(1.0)
    with pytest.raises(RuntimeError, match="there is no session"):
        current_session()
    with pytest.raises(RuntimeError, match="no graph is being written"):
        Session()
    with Session(graph=graph) as session:
        assert current_session() is session
        two = one + constant(1.0)  # the graph of the session is the current one
        assert current_session().run(two) == 2.0
    with pytest.raises(RuntimeError, match="there is no session"):
        current_session()
    with pytest.raises(RuntimeError, match="closed"):
        session.run(two)
    with graph, name_scope("outer"), Session() as session:
        assert session.graph is graph
        assert constant(1.0, name="inner").name == "outer/inner:0"


def test_interactive_sessions():
    outer = InteractiveSession()
    try:
        two = constant(1.0) + 1.0
        inner = InteractiveSession(graph=Graph())
        assert inner.graph is not outer.graph
        assert current_session() is inner
        outer.close()  # not the innermost one
        assert current_session() is inner
        three = constant(3.0)
        assert inner.run(three) == 3.0
        inner.close()
    finally:
        outer.close()
    assert two.graph is outer.graph
    with pytest.raises(RuntimeError, match="there is no session"):
        current_session()
    with pytest.raises(RuntimeError, match="no graph is being written"):
        constant(1.0)


def test_functions_of_numpy_are_captured(session, graph, x):
    with graph:
        y = array.sin(x)
    assert session.run(y, {x: 0.5}) == pytest.approx(np.sin(0.5), rel=1e-15)
