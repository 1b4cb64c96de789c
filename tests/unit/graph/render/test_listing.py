"""A graph as text."""

from __future__ import annotations

import pytest

from gradion.foundation.errors import InputError
from gradion.graph.render import describe_operation, scopes, to_text

from .graph_examples import HOSTILE, chain, hostile, loops, stateful


def test_a_line_has_types_kind_operands_attributes_and_line_of_code():
    lines = to_text(loops()).splitlines()
    (dot,) = [line for line in lines if line.startswith("  head/dot_general_1")]
    assert dot.startswith(
        "  head/dot_general_1: float64[3] = dot_general(w:0, x:0, dimension_numbers=["
    )
    assert "graph_examples.py:" in dot
    assert lines[:3] == ["inputs (2)", "  x:0: float64[3]", "  w:0: float64[3,3]"]
    assert lines[-3].startswith("outputs (2)")


def test_subgraphs_are_indented():
    lines = to_text(loops()).splitlines()
    depth = {line.split("(")[0].strip(): len(line) - len(line.lstrip()) for line in lines}
    assert depth["body"] == 4
    assert depth["branch 0"] == 8
    assert depth["branch 1"] == 8
    assert "      -> cond_1:0, reduce_sum_2:0" in lines


def test_variables_and_what_runs_before():
    lines = to_text(stateful()).splitlines()
    assert lines[1:3] == ["variables (1)", "  w: float64[2] trainable"]
    (read,) = [line for line in lines if "read_variable(" in line]
    assert "^w" in read
    assert "variable=w" in read


def test_a_scope_alone_and_a_limit():
    graph = loops()
    assert scopes(graph) == ("head",)
    assert to_text(graph, scope="head").splitlines()[0] == "operations (2)"
    short = to_text(chain(9), limit=2).splitlines()
    assert short.count("  ... 7 more") == 1
    assert sum(" = sin(" in line for line in short) == 2
    with pytest.raises(ValueError, match="limit: got -1"):
        to_text(graph, limit=-1)


@pytest.mark.parametrize("scope", ["haed", "", "/"])
def test_an_unknown_scope_names_near_ones(scope):
    with pytest.raises(InputError, match="unknown scope") as caught:
        to_text(loops(), scope=scope)
    assert "'head'" in str(caught.value)


def test_one_operation_in_full():
    text = describe_operation(loops(), "scan_1")
    assert text.splitlines()[:2] == ["scan_1", "  kind: scan"]
    assert "    length = 5" in text
    assert "  output of the graph: 0, 1" in text
    assert "  body(input_0: float64[3], input_1: float64[])" in text
    assert "  taken by: head/tanh_1" in describe_operation(loops(), "head/dot_general_1")
    with pytest.raises(InputError, match="did you mean 'scan_1'"):
        describe_operation(loops(), "scan_2")


def test_hostile_names_stay_on_their_line():
    text = to_text(hostile())
    assert len(text.splitlines()) == 7
    assert text.replace("\n", "").isprintable()
    assert describe_operation(hostile(), HOSTILE).replace("\n", "").isprintable()
