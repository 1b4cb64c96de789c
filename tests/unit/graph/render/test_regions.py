"""The tree of scopes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradion.graph import Graph, Operation, TensorType
from gradion.graph.render.regions import CROWD, Region, predecessors, regions
from gradion.graph.render.text import scope_parts

from .graph_examples import chain, random_graph, stateful


def check(region: Region, graph: Graph) -> None:
    """Children are in an order of running: with each as one node there is no cycle."""
    place: dict[Operation, int] = {}
    for i, child in enumerate(region.children):
        inside = child.operations() if isinstance(child, Region) else [child]
        place.update(dict.fromkeys(inside, i))
    for operation, i in place.items():
        assert all(place.get(before, i) <= i for before in predecessors(operation, graph))
    for child in region.children:
        if isinstance(child, Region):
            assert len(child.children) > 1
            check(child, graph)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), size=st.integers(1, 60))
def test_regions_can_be_folded_and_hold_everything_once(seed, size):
    graph = random_graph(seed, size)
    tree = regions(graph, graph.operations)
    check(tree, graph)
    found = list(tree.operations())
    assert len(found) == len(graph)
    assert set(found) == set(graph)


@pytest.mark.parametrize("seed", range(5))
def test_operations_are_inside_their_scopes_only(seed):
    graph = random_graph(seed, 50)

    def walk(region: Region) -> None:
        for child in region.children:
            if isinstance(child, Region):
                assert child.path[: len(region.path)] == region.path
                walk(child)
            elif child.kind == "mul":
                assert scope_parts(child.scope)[: len(region.path)] == region.path

    walk(regions(graph, graph.operations))


def test_a_scope_that_is_left_for_something_else_is_one_region():
    graph = Graph()
    kind = TensorType("float64", ())
    x = graph.placeholder(kind, name="x")
    a = graph.add("sin", [x], [kind], scope="a").outputs[0]
    b = graph.add("cos", [x], [kind], scope="b").outputs[0]
    c = graph.add("exp", [a], [kind], scope="a").outputs[0]
    d = graph.add("exp", [b], [kind], scope="b").outputs[0]
    graph.outputs = [c, d]
    children = regions(graph, graph.operations).children
    assert [child.path for child in children if isinstance(child, Region)] == [("a",), ("b",)]


def test_a_scope_with_something_in_between_is_two_regions():
    graph = Graph()
    kind = TensorType("float64", ())
    t = graph.placeholder(kind, name="x")
    for scope in ("a", "a", "b", "b", "a", "a"):
        t = graph.add("sin", [t], [kind], scope=scope).outputs[0]
    graph.outputs = [t]
    children = regions(graph, graph.operations).children
    assert [c.path for c in children if isinstance(c, Region)] == [("a",), ("b",), ("a",)]


def test_an_input_stands_where_all_that_take_it_are():
    graph = Graph()
    kind = TensorType("float64", ())
    x, y, z = (graph.placeholder(kind, name=name) for name in "xyz")
    a = graph.add("sin", [x], [kind], scope="a/b").outputs[0]
    b = graph.add("add", [a, x], [kind], scope="a/b").outputs[0]
    graph.outputs = [graph.add("add", [b, y], [kind], scope="a/c").outputs[0], z]
    tree = regions(graph, graph.operations)
    names = {o.name: r for r in tree.children if isinstance(r, Region) for o in r.operations()}
    assert set(names) == {"x", "y", "a/b/sin_1", "a/b/add_1", "a/c/add_1"}
    assert z.operation in tree.children


def test_a_crowd_is_parted_by_lines_and_then_by_number():
    graph = chain(4 * CROWD)
    by_line = regions(graph, graph.operations)
    (file,) = [child for child in by_line.children if isinstance(child, Region)]
    assert file.path == ("model.py",)
    lines = {c.path for part in [file] for c in part.children if isinstance(c, Region)}
    assert ("model.py", "line 1") in lines
    plain_graph = Graph()
    kind = TensorType("float64", ())
    t = plain_graph.placeholder(kind, name="x")
    for _ in range(CROWD**2):
        t = plain_graph.add("sin", [t], [kind]).outputs[0]
    parts = regions(plain_graph, plain_graph.operations)
    assert len(parts.children) == CROWD + 1  # and the input
    assert all(len(c.children) == CROWD for c in parts.children if isinstance(c, Region))


def test_a_variable_stands_with_its_reads():
    graph = stateful()
    tree = regions(graph, graph.operations)
    held = next(c for c in tree.children if isinstance(c, Region))
    assert held.path == ("w",)
    kinds = {"variable", "constant", "assign_variable", "read_variable"}
    assert {o.kind for o in held.operations()} == kinds
