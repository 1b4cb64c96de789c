"""The page "A graph in a file": its code runs, and prints what the page says."""

from __future__ import annotations

import json
import re
from pathlib import Path

from gradion.graph.definition.graph_reading import OPERATION_ENTRIES
from gradion.graph.definition.parts import CONSTANTS, GRAPH, MANIFEST, STABLEHLO, VARIABLES

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "graph-files.md"


def _blocks(kind):
    found = re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="ascii"), re.DOTALL)
    assert found
    return found


def test_the_page_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec("\n".join(_blocks("python")), {"__name__": "graph_files_page"})
    printed = capsys.readouterr().out
    for text in _blocks("text"):
        assert text in printed


def test_the_page_names_every_member_and_entry():
    text = PAGE.read_text(encoding="ascii")
    for name in (MANIFEST, GRAPH, CONSTANTS, VARIABLES, STABLEHLO):
        assert f"`{name}`" in text
    (operation,) = _blocks("json")
    assert set(json.loads(operation)) == set(OPERATION_ENTRIES)
