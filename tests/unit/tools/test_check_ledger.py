"""The ledger check: each kind of broken row is found, and a good ledger passes."""

import check_ledger
import pytest

COLLECTED = {
    "tests/unit/test_a.py::test_one": [],
    "tests/unit/test_a.py::test_two[x]": [],
    "tests/unit/test_a.py::test_two[y::z]": ["parametrize"],
    "tests/unit/test_a.py::TestThree::test_in_class": [],
    "tests/unit/test_a.py::test_measured": ["reference"],
    "tests/peers/test_b.py::test_live": ["peers"],
    "tests/unit/test_a.py::test_known_bad": ["xfail"],
}


def ledger(shown_by, status="met", demand="It works"):
    text = (
        "| demand | shown by | figure | status |\n"
        "| --- | :-: | --- | --- |\n"
        f"| {demand} | {shown_by} | 1 mV | {status} |\n"
    )
    return check_ledger.read_rows("docs/acceptance/a.md", text)


def test_rows():
    (row,) = ledger("`tests/a.py::t` (peers) (slow), `make bench`", "not met: a \\| b")
    assert (row.demand, row.figure, row.status) == ("It works", "1 mV", "not met: a | b")
    assert [(item.text, item.tiers) for item in row.shown] == [
        ("tests/a.py::t", ("peers", "slow")),
        ("make bench", ()),
    ]
    assert row.finding("x") == "docs/acceptance/a.md:3: x"


def test_fenced_and_other_tables_are_no_rows():
    text = (
        "```\n| demand | shown by | figure | status |\n| - | - | - | - |\n| a | b | c | d |\n```\n"
    )
    assert check_ledger.read_rows("a.md", text) == []
    assert check_ledger.read_rows("a.md", "| a | b |\n| - | - |\n| 1 | 2 |\n") == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ledger("`make test`", "done"), "status 'done'"),
        (ledger("`make test`", "not met"), "status 'not met'"),
        (ledger("by hand"), "no test or command"),
        (ledger("`make test`", demand=""), "no demand"),
    ],
)
def test_form(rows, message):
    (finding,) = check_ledger.check_form(rows)
    assert message in finding


def test_good_form():
    rows = ledger("`make test`") + ledger("by hand", "not met: no time")
    assert list(check_ledger.check_form(rows)) == []


@pytest.mark.parametrize(
    ("shown_by", "message"),
    [
        ("`tests/unit/test_a.py::test_on`", "no such test is collected"),
        ("`tests/peers/test_b.py::test_live`", "say (peers) beside it"),
        ("`tests/unit/test_a.py::test_one` (slow)", "has no such marker"),
        ("`tests/unit/test_a.py::test_known_bad`", "marked xfail"),
    ],
)
def test_bad_tests(shown_by, message):
    (finding,) = check_ledger.check_tests(ledger(shown_by), COLLECTED)
    assert message in finding


@pytest.mark.parametrize(
    "shown_by",
    [
        "`tests/unit/test_a.py::test_one`",
        "`tests/unit/test_a.py::test_two`, `tests/unit/test_a.py::test_two[x]`",
        "`tests/unit/test_a.py::TestThree`",
        "`tests/peers/test_b.py::test_live` (peers)",
    ],
)
def test_good_tests(shown_by):
    assert list(check_ledger.check_tests(ledger(shown_by), COLLECTED)) == []


def test_expected_failure_may_stand_in_a_row_not_met():
    rows = ledger("`tests/unit/test_a.py::test_known_bad`", "not met: known")
    assert list(check_ledger.check_tests(rows, COLLECTED)) == []


def case(name, outcome="", place="tests.unit.test_a"):
    return f'<testcase classname="{place}" name="{name}">{outcome}</testcase>'


CASES = (
    case("test_one"),
    case("test_two[x]"),
    case("test_two[y::z]", '<failure message="m">text</failure>'),
    case("test_in_class", '<error message="m"/>', "tests.unit.test_a.TestThree"),
    case("test_measured", '<skipped type="pytest.skip"/>'),
    case("test_known_bad", '<skipped type="pytest.xfail"/>'),
)
JUNIT = f"<testsuites><testsuite>{''.join(CASES)}</testsuite></testsuites>"


def results(shown_by, *, status="met", has_reference=True):
    outcomes = check_ledger.read_junit(JUNIT)
    rows = ledger(shown_by, status)
    return list(check_ledger.check_results(rows, COLLECTED, outcomes, has_reference=has_reference))


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("test_two", "failed"),
        ("TestThree::test_in_class", "failed"),
        ("test_measured", "skipped"),
        ("test_known_bad", "failed as expected"),
    ],
)
def test_bad_results(name, outcome):
    (finding,) = results(f"`tests/unit/test_a.py::{name}`")
    assert finding.endswith(f": {outcome}, in a row that is met")
    assert results(f"`tests/unit/test_a.py::{name}`", status="not met: known") == []


def test_test_missing_from_the_report():
    (finding,) = results("`tests/peers/test_b.py::test_live`")
    assert "missing from the report" in finding


def test_good_results():
    assert results("`tests/unit/test_a.py::test_one`") == []
    assert results("`tests/unit/test_a.py::test_two[x]`") == []
    assert results("`tests/peers/test_b.py::test_live` (peers)") == []
    assert results("`tests/unit/test_a.py::test_measured`", has_reference=False) == []


@pytest.fixture
def root(tmp_path):
    for folder in ("src/gradion/cli", "benchmarks", ".ci", "examples"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "Makefile").write_text("bench: setup ## benchmarks\n\tpython x.py\n")
    (tmp_path / "src/gradion/cli/main.py").write_text('app.command("fit")\n')
    (tmp_path / "src/gradion/cli/parameter_sets.py").write_text("")
    for name in ("benchmarks/spm.py", ".ci/run", "examples/fit.toml"):
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        "make bench",
        "gradion fit examples/fit.toml --output out/new.json",
        "gradion parameter-sets",
        "python benchmarks/spm.py --steps 3",
        "JAX_PLATFORMS=cpu python benchmarks/spm.py",
        ".ci/run",
    ],
)
def test_good_commands(root, command):
    assert list(check_ledger.check_commands(ledger(f"`{command}`"), root)) == []


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("make setup", "no make target 'setup'"),
        ("gradion", "no such gradion command"),
        ("gradion simulate", "no such gradion command"),
        ("gradion fit examples/other.toml", "no such file 'examples/other.toml'"),
        ("python benchmarks/other.py", "no such file"),
        ("bench-all", "no such program"),
        ("X=1", "empty command"),
    ],
)
def test_bad_commands(root, command, message):
    (finding,) = check_ledger.check_commands(ledger(f"`{command}`"), root)
    assert message in finding


@pytest.fixture
def project(root):
    """A small project with one ledger, run through the command as CI does."""
    (root / "docs/acceptance").mkdir(parents=True)
    (root / "tests").mkdir()
    (root / "tests/test_a.py").write_text("def test_one(): pass\n")
    (root / "docs/acceptance/a.md").write_text(
        "| demand | shown by | figure | status |\n| - | - | - | - |\n"
        "| It works | `tests/test_a.py::test_one` | - | met |\n"
    )
    return root


def test_command(project, capsys):
    report = project / "report.xml"
    report.write_text(
        '<testsuites><testcase classname="tests.test_a" name="test_one"/></testsuites>'
    )
    assert check_ledger.main(["--root", str(project), "--static"]) == 0
    assert check_ledger.main(["--root", str(project), "--junit", str(report)]) == 0
    report.write_text("<testsuites></testsuites>")
    assert check_ledger.main(["--root", str(project), "--junit", str(report)]) == 1
    assert "ledger: 1 rows, 1 met, 1 findings" in capsys.readouterr().out


def test_command_with_a_test_that_does_not_exist(project):
    (project / "tests/test_a.py").write_text("def test_other(): pass\n")
    assert check_ledger.main(["--root", str(project), "--static"]) == 1


def test_command_with_tests_that_cannot_be_collected(project):
    (project / "tests/test_a.py").write_text("def (\n")
    with pytest.raises(SystemExit, match="cannot be collected"):
        check_ledger.main(["--root", str(project), "--static"])
