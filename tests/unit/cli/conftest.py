"""What the tests of commands share."""

from __future__ import annotations

import sys

import pytest

from gradion.cli import main as main_module


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command; return its exit status, standard output and standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gradion", *arguments])
        with pytest.raises(SystemExit) as caught:
            main_module.main()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return run
