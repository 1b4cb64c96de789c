"""The page "Operators in C++": its files are built, its code runs, its outputs are compared."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "operators.md"
# A fence, its kind, what is in it, the closing fence: at the start of a line, as on the page.
_FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)^```$", re.MULTILINE)
_FILE_NAME = re.compile(r"// (\S+)\n")


def run(text):
    """Run the blocks in one namespace; returns how many outputs were compared."""
    namespace = {"__name__": "operators_page"}
    compared = 0
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    for match in _FENCE.finditer(text):
        kind, code = match[1], match[2]
        line = text.count("\n", 0, match.start()) + 1
        if kind == "cpp":
            Path(_FILE_NAME.match(code)[1]).write_text(code, encoding="ascii")
            continue
        assert kind == "python", f"line {line}: a block of kind {kind!r}"
        if not code.startswith(">>> "):
            # Empty lines before, so that a traceback has the line of the page.
            exec(compile("\n" * line + code, str(PAGE), "exec"), namespace)
            continue
        test = doctest.DocTestParser().get_doctest(code, {}, f"line {line}", str(PAGE), line)
        test.globs = namespace
        report = []
        failed, _ = runner.run(test, out=report.append, clear_globs=False)
        assert not failed, "".join(report)
        compared += sum(bool(example.want) for example in test.examples)
    return compared


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRADION_CACHE", str(tmp_path / "cache"))


def test_the_page_runs():
    assert run(PAGE.read_text(encoding="ascii")) >= 9


def test_a_wrong_output_on_the_page_is_found():
    with pytest.raises(AssertionError, match="Expected"):
        run("```python\n>>> 1 + 1\n3\n```\n")
