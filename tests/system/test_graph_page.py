"""The page "A static graph, from the first line to C" runs as it stands, in two processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "graphs.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# (\w+\.py)\n")


def test_the_page_runs_as_it_stands(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    namespace = {"__name__": "graph_page"}
    compared = 0
    for kind, block in _BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "text":
            printed = capfd.readouterr().out
            # A C++ compiler of another make may round the last place otherwise.
            wanted = re.sub(r"largest error \S+,", "", block) if "error" in block else block
            for line in wanted.splitlines():
                assert line.split(": ")[-1].strip() in printed, printed
            compared += 1
        elif kind == "sh":
            subprocess.run(["bash", "-ec", block], check=True, timeout=300)
        elif named := _FILE.match(block):
            (tmp_path / named[1]).write_text(block, encoding="utf-8")
        else:
            exec(compile(block, str(PAGE), "exec"), namespace)
    assert compared == 6
    # The exported folder's test finds a number that is wrong by 0.1 %.
    text = (tmp_path / "kinetics_c" / "kinetics_test.cc").read_text(encoding="ascii")
    assert "4.852656" in text
    (tmp_path / "kinetics_c" / "kinetics_test.cc").write_text(
        text.replace("4.852656", "4.857509"), encoding="ascii"
    )
    assert subprocess.run(["make", "-C", "kinetics_c"], capture_output=True, check=False).returncode
