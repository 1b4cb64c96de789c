"""The sums of JUnit reports."""

import junit_totals

REPORT = (
    "<testsuites><testsuite>"
    "<testcase name='a'/><testcase name='b'/>"
    "<testcase name='c'><failure/></testcase><testcase name='d'><error/></testcase>"
    "<testcase name='e'><skipped message='no data'/></testcase>"
    "<testcase name='f'><skipped message='no data'/></testcase>"
    "</testsuite></testsuites>"
)
GREEN = "<testsuites><testsuite><testcase name='a'/></testsuite></testsuites>"


def test_last_line_and_status(tmp_path, capsys):
    (tmp_path / "a.xml").write_text(REPORT)
    (tmp_path / "b.xml").write_text(GREEN)
    assert junit_totals.main([str(tmp_path / "a.xml"), str(tmp_path / "b.xml")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["skipped 2 x: no data", "3 passed, 2 failed, 2 skipped"]
    assert junit_totals.main([str(tmp_path / "b.xml")]) == 0


def test_missing_report_is_a_failure(tmp_path, capsys):
    (tmp_path / "b.xml").write_text("<testsuites>")
    assert junit_totals.main([str(tmp_path / "a.xml"), str(tmp_path / "b.xml")]) == 1
    assert capsys.readouterr().out.endswith("0 passed, 2 failed, 0 skipped\n")


def test_nothing_ran():
    assert junit_totals.main([]) == 1
