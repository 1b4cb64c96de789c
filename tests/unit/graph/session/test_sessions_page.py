"""The page on sessions does what it says."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "graph-sessions.md"


def test_the_page_runs_and_prints_what_it_shows(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```(python|text)\n(.*?)```", PAGE.read_text("ascii"), re.DOTALL)
    names: dict = {"__name__": "page"}
    shown = 0
    for language, block in blocks:
        if language == "python":
            exec(compile(block, str(PAGE), "exec"), names)
            continue
        assert capsys.readouterr().out == block
        shown += 1
    assert shown == 5
    assert (tmp_path / "trace.json").stat().st_size > 1000
