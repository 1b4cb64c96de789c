"""Check the ledgers of demands in docs/acceptance: every row is shown by what it says shows it.

    python tools/check_ledger.py --static              tests are collected, commands exist
    python tools/check_ledger.py --junit report.xml    and the tests of met rows passed in that run

The format of a ledger stands in docs/acceptance/README.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

__all__ = ["Row", "check_commands", "check_form", "check_results", "check_tests", "main"]
__all__ += ["read_junit", "read_rows"]

HEADER = ("demand", "shown by", "figure", "status")
# Outside the fast tier: a row says so beside the test, and only collection is checked.
OTHER_TIERS = ("peers", "slow")
_SHOWN = re.compile(r"`([^`]+)`((?:\s*\((?:peers|slow)\))*)")
_FILE_ARGUMENT = re.compile(r"[\w./-]+\.(?:csv|json|md|py|toml)")
_OUTPUT_OPTIONS = frozenset({"-o", "--output"})


@dataclasses.dataclass(frozen=True)
class Shown:
    """One test or command of a row, with the tiers that stand in parentheses beside it."""

    text: str
    tiers: tuple[str, ...] = ()

    @property
    def is_test(self) -> bool:
        return self.text.startswith("tests/")


@dataclasses.dataclass(frozen=True)
class Row:
    """One demand of a ledger."""

    path: str
    line: int
    demand: str
    shown_by: str
    figure: str
    status: str

    @property
    def shown(self) -> tuple[Shown, ...]:
        found = _SHOWN.findall(self.shown_by)
        return tuple(Shown(text, tuple(re.findall(r"\w+", tiers))) for text, tiers in found)

    @property
    def is_met(self) -> bool:
        return self.status == "met"

    def finding(self, what: str) -> str:
        return f"{self.path}:{self.line}: {what}"


def read_rows(path: str, text: str) -> list[Row]:
    """Return the rows of every ledger table in a Markdown text; fenced code is skipped."""
    rows: list[Row] = []
    fenced = in_table = False
    for number, line in enumerate(text.splitlines(), start=1):
        fenced ^= line.lstrip().startswith("```")
        cells = _cells(line)
        if fenced or cells is None:
            in_table = False
        elif tuple(cell.lower() for cell in cells) == HEADER:
            in_table = True
        elif in_table and not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            demand, shown_by, figure, *status = (*cells, "", "", "")
            rows.append(Row(path, number, demand, shown_by, figure, " ".join(status).strip()))
    return rows


def check_form(rows: Iterable[Row]) -> Iterator[str]:
    """Every row has a demand and a status of its two forms; a met row says what shows it."""
    for row in rows:
        if not row.demand:
            yield row.finding("no demand")
        if not row.is_met and re.fullmatch(r"not met: \S.*", row.status) is None:
            yield row.finding(f"status {row.status!r}; expected 'met' or 'not met: why'")
        if row.is_met and not row.shown:
            yield row.finding("met, but no test or command in backticks shows it")


def check_tests(rows: Iterable[Row], collected: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Every named test is collected, in the tier the row says; none of a met row is skipped."""
    for row, shown in _named(rows, tests=True):
        cases = _cases(shown.text, collected)
        if not cases:
            yield row.finding(f"{shown.text}: no such test is collected")
        marks = {mark for case in cases for mark in collected[case]}
        for tier in OTHER_TIERS:
            if tier in shown.tiers and tier not in marks:
                yield row.finding(f"{shown.text}: said to be ({tier}), but has no such marker")
            if tier in marks and tier not in shown.tiers:
                yield row.finding(f"{shown.text}: marked {tier}; say ({tier}) beside it")
        for mark in sorted(marks & {"xfail", "skip"}):
            if row.is_met:
                yield row.finding(f"{shown.text}: marked {mark} in a row that is met")


def check_commands(rows: Iterable[Row], root: Path) -> Iterator[str]:
    """Every named command exists: make target, gradion verb, script; so do the files it names."""
    for row, shown in _named(rows, tests=False):
        words = [word for word in shown.text.split() if not re.fullmatch(r"[A-Z_]+=\S*", word)]
        problem = "empty command" if not words else _command_problem(words, root)
        if problem is not None:
            yield row.finding(f"{shown.text}: {problem}")


def check_results(
    rows: Iterable[Row],
    collected: Mapping[str, Iterable[str]],
    outcomes: Mapping[tuple[str, str], str],
    *,
    has_reference: bool,
) -> Iterator[str]:
    """The tests of met rows passed; reference tests may skip where there is no reference data."""
    for row, shown in _named(rows, tests=True):
        if not row.is_met or shown.tiers:
            continue
        for case in _cases(shown.text, collected):
            outcome = outcomes.get(_junit_key(case), "missing from the report")
            excused = outcome == "skipped" and "reference" in collected[case]
            if outcome != "passed" and (has_reference or not excused):
                yield row.finding(f"{case}: {outcome}, in a row that is met")


def read_junit(text: str) -> dict[tuple[str, str], str]:
    """Return the outcome of each test of a report, by class name and name."""
    outcomes: dict[tuple[str, str], str] = {}
    for case in ET.fromstring(text).iter("testcase"):
        key = (case.get("classname", ""), case.get("name", ""))
        outcome = "passed"
        for child in case:
            if child.tag in {"failure", "error", "skipped"}:
                outcome = "failed" if child.tag == "error" else child.tag.replace("ure", "ed")
            if child.get("type") == "pytest.xfail":
                outcome = "failed as expected"
        # A test has a second entry if its teardown failed: the worse one counts.
        if outcomes.get(key, "passed") == "passed":
            outcomes[key] = outcome
    return outcomes


def main(arguments: list[str] | None = None) -> int:
    """Run the check; return the exit status."""
    parser = argparse.ArgumentParser(description="Check the ledgers in docs/acceptance.")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--static", action="store_true", help="without a report of a run")
    mode.add_argument("--junit", type=Path, help="pytest's --junitxml report of the fast tier")
    options = parser.parse_args(arguments)
    rows = _read_ledgers(options.root)
    collected = _collect(options.root)
    findings = [*check_form(rows), *check_tests(rows, collected)]
    findings += check_commands(rows, options.root)
    if options.junit is not None:
        outcomes = read_junit(options.junit.read_text(encoding="utf-8"))
        has_reference = bool(os.environ.get("GRADION_REFERENCE"))
        findings += check_results(rows, collected, outcomes, has_reference=has_reference)
    for finding in findings:
        print(finding)
    met = sum(row.is_met for row in rows)
    print(f"ledger: {len(rows)} rows, {met} met, {len(findings)} findings")
    return 1 if findings else 0


def _cells(line: str) -> tuple[str, ...] | None:
    stripped = line.strip()
    if not stripped.startswith("|"):
        return None
    inner = stripped[1:-1] if stripped.endswith("|") else stripped[1:]
    return tuple(cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", inner))


def _named(rows: Iterable[Row], *, tests: bool) -> Iterator[tuple[Row, Shown]]:
    for row in rows:
        for shown in row.shown:
            if shown.is_test == tests:
                yield row, shown


def _cases(name: str, collected: Iterable[str]) -> list[str]:
    """Return the collected ids a name stands for: a file, a class, a test or one of its cases."""
    return [
        case for case in collected if case == name or case.startswith((name + "::", name + "["))
    ]


def _junit_key(case: str) -> tuple[str, str]:
    """Return pytest's class name and name in a report for a test id."""
    head, bracket, parameters = case.partition("[")
    file, *names = head.split("::")
    classname = ".".join([file.removesuffix(".py").replace("/", "."), *names[:-1]])
    return classname, names[-1] + bracket + parameters


def _command_problem(words: list[str], root: Path) -> str | None:
    program, rest = words[0], words[1:]
    if program == "make":
        makefile = (root / "Makefile").read_text(encoding="utf-8")
        for target in rest:
            if re.search(rf"^{re.escape(target)}\s*:", makefile, re.MULTILINE) is None:
                return f"no make target {target!r}"
    elif program == "gradion":
        if not rest or not _has_verb(rest[0], root / "src/gradion/cli"):
            return "no such gradion command"
    elif program not in {"python", "pytest"} and not (root / program).is_file():
        return f"no such program {program!r}"
    for option, word in zip(["", *rest], rest, strict=False):
        is_file = _FILE_ARGUMENT.fullmatch(word) is not None
        if is_file and option not in _OUTPUT_OPTIONS and not (root / word).is_file():
            return f"no such file {word!r}"
    return None


def _has_verb(verb: str, folder: Path) -> bool:
    if (folder / (verb.replace("-", "_") + ".py")).is_file():
        return True
    texts = (path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    return any(f'"{verb}"' in text for text in texts)


def _read_ledgers(root: Path) -> list[Row]:
    rows: list[Row] = []
    for path in sorted((root / "docs/acceptance").glob("*.md")):
        rows += read_rows(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
    return rows


def _collect(root: Path) -> dict[str, list[str]]:
    """Return every collected test with its markers, by one pytest run that runs no test."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "collected.json"
        tools = str(Path(__file__).resolve().parent)
        search = os.pathsep.join(filter(None, [tools, os.environ.get("PYTHONPATH", "")]))
        answer = subprocess.run(
            [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "ledger_collection"],
            cwd=root,
            env={**os.environ, "GRADION_COLLECTION": str(target), "PYTHONPATH": search},
            capture_output=True,
            text=True,
            check=False,
        )
        # 5: no test was collected.
        if answer.returncode not in (0, 5) or not target.is_file():
            sys.exit(f"ledger: the tests cannot be collected\n{answer.stdout}{answer.stderr}")
        found: dict[str, list[str]] = json.loads(target.read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    sys.exit(main())
