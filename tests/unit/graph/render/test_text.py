"""Short texts of parts of operations."""

from __future__ import annotations

import numpy as np
import pytest

from gradion.foundation.dimension import Dimension
from gradion.graph import Graph, TensorType
from gradion.graph.operators import KINDS
from gradion.graph.render.families import Family, family_of
from gradion.graph.render.text import (
    attribute_text,
    byte_text,
    plain,
    scope_parts,
    shorten,
    size_in_bytes,
    source_text,
    subgraph_names,
    value_text,
)


def test_what_cannot_be_seen_is_written_as_an_escape():
    assert plain("a b \u00e9\u4e2d") == "a b \u00e9\u4e2d"
    assert plain("a\n\x00\x1b[31m\u202eb\ud800") == "a\\n\\x00\\x1b[31m\\u202eb\\ud800"


@pytest.mark.parametrize("limit", [0, 2, 3, 5, 40])
def test_a_shortened_text_keeps_its_limit(limit):
    for text in ("", "abc", "\n" * 30, "abcdefgh" * 9):
        assert len(shorten(text, max(limit, 3))) <= max(limit, 3)
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abc..."


def test_attributes_are_written_without_quotes():
    assert (
        attribute_text({"a": [1, (2.5, None)], "b": True}, 60) == "{a: [1, [2.5, None]], b: True}"
    )
    assert attribute_text([Dimension("2*n"), 3], 60) == "[2*n, 3]"
    assert attribute_text(list(range(1000)), 10) == "[0, 1, ..."


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array(2.0), "2"),
        (np.array(-0.0), "-0"),
        (np.array(np.nan), "nan"),
        (np.array(True), "True"),
        (np.array(7, np.int32), "7"),
        (np.zeros((0, 3)), "float64[0,3]"),
        (np.array([0.5, 2]), "float64[2] 0.5, 2"),
    ],
)
def test_a_value_is_a_number_or_a_type_with_first_elements(value, expected):
    assert value_text(value, 60) == expected


def test_a_large_value_is_cut():
    assert len(value_text(np.arange(1e6), 40)) == 40


def test_scopes_part_at_slashes_outside_of_brackets():
    assert scope_parts("") == ()
    assert scope_parts("a//b/") == ("a", "b")
    assert scope_parts("transpose(jvp(a/b))/c") == ("transpose(jvp(a/b))", "c")
    assert scope_parts("a)/b(") == ("a)", "b(")


def test_bytes():
    assert [byte_text(n) for n in (0, 1023, 1536, 3 * 2**30)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "3.0 GiB",
    ]
    assert size_in_bytes(TensorType("float32", (2, 3))) == 24
    assert size_in_bytes(TensorType("float32", (Dimension("n"),))) is None
    assert size_in_bytes(TensorType("key<fry>", ())) is None


def test_subgraphs_have_the_names_of_their_parts():
    empty = Graph()
    graph = Graph()

    def names(kind: str, count: int) -> tuple[str, ...]:
        return subgraph_names(graph.add(kind, (), (), subgraphs=[empty] * count))

    assert names("cond", 2) == ("branch 0", "branch 1")
    assert names("while", 2) == ("condition", "body")
    assert names("custom_jvp", 1) == ("subgraph 0",)
    assert source_text(graph.operations[0]) == ""


def test_every_kind_has_a_family_of_its_table():
    own = {kind for kind in KINDS if family_of(kind) is Family.OPERATOR}
    assert own <= {"custom_jvp", "custom_vjp", "native_call"}
    assert family_of("never heard of") is Family.OPERATOR
