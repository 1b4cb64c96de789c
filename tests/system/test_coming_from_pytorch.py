"""The page "Coming from PyTorch": every line of its code runs, and every output is compared."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "coming-from-pytorch.md"
# A fence, its kind, what is in it, the closing fence: at the start of a line, as on the page.
_FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)^```$", re.MULTILINE)


class Block(NamedTuple):
    kind: str
    code: str
    line: int


def blocks_of(text):
    return [
        Block(match[1], match[2], text.count("\n", 0, match.start()) + 1)
        for match in _FENCE.finditer(text)
    ]


def run(text):
    """Run the blocks in one namespace; returns how many lines ran and how many were compared."""
    namespace = {"__name__": "coming_from_pytorch"}
    lines = compared = 0
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    for block in blocks_of(text):
        if block.kind == "text":
            continue
        assert block.kind == "python", f"line {block.line}: a block of kind {block.kind!r}"
        if not block.code.startswith(">>> "):
            # Empty lines before, so that a traceback has the line of the page.
            code = compile("\n" * block.line + block.code, str(PAGE), "exec")
            exec(code, namespace)
            lines += len(block.code.splitlines())
            continue
        test = doctest.DocTestParser().get_doctest(
            block.code, {}, f"line {block.line}", str(PAGE), block.line
        )
        test.globs = namespace
        report = []
        failed, _ = runner.run(test, out=report.append, clear_globs=False)
        assert not failed, "".join(report)
        lines += sum(len(example.source.splitlines()) for example in test.examples)
        compared += sum(bool(example.want) for example in test.examples)
    return lines, compared


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_line_runs():
    text = PAGE.read_text()
    lines, compared = run(text)
    code = [block.code for block in blocks_of(text) if block.kind == "python"]
    prompts = sum(len(re.findall(r"^(?:>>>|\.\.\.) ", part, re.MULTILINE)) for part in code)
    plain = sum(len(part.splitlines()) for part in code if not part.startswith(">>> "))
    assert lines == prompts + plain
    assert compared >= 40


def test_no_block_is_left_out():
    text = PAGE.read_text()
    assert 2 * len(blocks_of(text)) == text.count("```")
    # Code that is only indented would be shown as code, but not run.
    outside = _FENCE.sub("", text)
    assert not re.search(r"^(?: {4}|\t)", outside, re.MULTILINE)
    assert ">>>" not in outside


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("```python\n>>> 1 + 1\n3\n```\n", "Expected:"),
        ("```python\nx = 1\n```\n\n```python\n>>> x\n2\n```\n", "Expected:"),
        ("```python\n>>> int('a')\nTraceback (most recent call last):\nKeyError: a\n```\n", "Exp"),
        ("```sh\nls\n```\n", "line 1: a block of kind 'sh'"),
        ("```\nx = 1\n```\n", "a block of kind ''"),
    ],
)
def test_what_is_wrong_is_found(text, error):
    with pytest.raises(AssertionError, match=error):
        run(text)


def test_code_that_raises_is_found():
    with pytest.raises(ZeroDivisionError):
        run("# Page\n\n```python\nx = 0\n1 / x\n```\n")


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text()):
        assert (PAGE.parent / target).is_file(), target


def test_the_network_of_the_example_learns():
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "mlp.py")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # The noise is 0.05, on 256 samples; the best straight line errs by 0.63.
    assert 0.0 < float(done.stdout.split()[-1]) < 0.03
