"""`gradion graph`."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from xml.etree import ElementTree

import jax.numpy as jnp
import numpy as np
import pytest

from gradion.graph import capture
from gradion.graph.definition import GraphDef, save


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """`a.gradion` is w @ x with w a variable, `b.gradion` another w, `c.gradion` another graph."""
    folder = tmp_path_factory.mktemp("graphs")

    def product(w, x):
        return {"y": w @ x}

    graph = capture(product, np.ones((2, 3)), np.ones(3))
    for name, value in (("a", 1.0), ("b", 1.25)):
        held = {0: np.full((2, 3), value)}
        save(GraphDef.of(graph, held=held), folder / f"{name}.gradion")
    save(GraphDef.of(capture(lambda x: jnp.sin(x), np.ones(3))), folder / "c.gradion")
    return folder


def test_show(run, folder):
    status, out, err = run("graph", "show", str(folder / "a.gradion"))
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[:3] == [
        "signature default",
        "  x: float64[3] = x:0",
        "  -> y: float64[2] = dot_general_1:0",
    ]
    assert "  w: float64[2,3] trainable" in [line.split("  #")[0] for line in lines]
    status, out, _ = run("graph", "show", str(folder / "a.gradion"), "--limit", "1")
    assert "more" in out
    status, out, _ = run("graph", "show", str(folder / "a.gradion"), "--scope", "w")
    assert status == 0
    assert "dot_general" not in out
    name = "dot_general_1"
    status, out, _ = run("graph", "show", str(folder / "a.gradion"), "--operation", name)
    assert out.splitlines()[:2] == [name, "  kind: dot_general"]


def test_summary(run, folder):
    status, out, _ = run("graph", "summary", str(folder / "a.gradion"), "--json")
    found = json.loads(out)
    assert status == 0
    assert (found["parameters"], found["product_flops"]) == (6, 12)
    status, out, _ = run("graph", "summary", str(folder / "a.gradion"))
    assert "6 trainable parameters" in out


def test_diff(run, folder):
    a, b, c = (str(folder / f"{name}.gradion") for name in "abc")
    assert run("graph", "diff", a, a) == (0, "equal\n", "")
    status, out, _ = run("graph", "diff", a, b)
    assert status == 1
    assert "~ value of w: largest difference 0.25, in 6 of 6 elements" in out
    status, out, _ = run("graph", "diff", a, c, "--json")
    assert status == 1
    assert any(line.startswith("sin_1") for line in json.loads(out)["added"])


def test_dot_and_pictures(run, folder, tmp_path):
    a = str(folder / "a.gradion")
    status, out, _ = run("graph", "dot", a)
    assert (status, out.split()[0]) == (0, "digraph")
    assert run("graph", "dot", a, "-o", str(tmp_path / "a.dot")) == (0, "", "")
    assert (tmp_path / "a.dot").read_text() == out
    assert run("graph", "picture", a, "-o", str(tmp_path / "a.svg"), "--depth", "0")[0] == 0
    assert ElementTree.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")
    assert run("graph", "picture", a, "-o", str(tmp_path / "a.html")) == (0, "", "")
    assert "<title>a.gradion</title>" in (tmp_path / "a.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("show", "absent.gradion"), "absent.gradion: no such file"),
        (("summary", "."), ".: cannot be read"),
        (("dot", "text.gradion"), "text.gradion: "),
        (("diff", "a.gradion", "absent.gradion"), "absent.gradion: no such file"),
        (("diff", "text.gradion", "a.gradion"), "text.gradion: "),
        (("show", "a.gradion", "--scope", "ww"), "unknown scope 'ww'"),
        (("show", "a.gradion", "--operation", "dot"), "unknown operation 'dot'; did you mean"),
        (("show", "a.gradion", "--operation", "w", "--limit", "1"), "--operation tells of one"),
        (("picture", "a.gradion", "-o", "a.png"), "a.png: cannot draw"),
        (("picture", "a.gradion", "-o", "absent/a.svg"), "absent/a.svg: cannot be written"),
        (("dot", "a.gradion", "-o", "."), ".: cannot be written"),
    ],
)
def test_bad_input_is_one_line_and_status_2(run, folder, monkeypatch, arguments, expected):
    (folder / "text.gradion").write_text("no graph")
    monkeypatch.chdir(folder)
    status, out, err = run("graph", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(expected)


def test_a_terminal_of_few_characters_gets_escapes(monkeypatch):
    from gradion.cli.graph import _print

    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    _print("w\u00e9ight")
    assert raw.getvalue() == b"w\\xe9ight\n"


def test_a_reader_who_stops_is_no_error(folder):
    program = (
        "import sys\n"
        "from gradion.cli.graph import _print\n"
        "sys.stdin.readline()\n"
        "_print('x\\n' * 100000)\n"
        "_print('more')\n"
        "sys.exit(1)\n"
    )
    pipe = subprocess.PIPE
    child = subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe)
    child.stdout.close()
    _, err = child.communicate(b"go\n", timeout=60)
    # The status is still that of the command: a difference is one.
    assert (child.returncode, err) == (1, b"")
