"""Print what the JUnit reports of several runs add up to.

    python tools/junit_totals.py first.xml second.xml

Each skip is listed with its reason and how often it came; the last line is
``N passed, N failed, N skipped``. A report that is missing or cannot be read counts as one failure.
"""

from __future__ import annotations

import collections
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

__all__ = ["main", "totals"]


def totals(texts: list[str]) -> tuple[int, int, collections.Counter[str]]:
    """Return the number of passed and failed tests, and the reasons of the skipped ones."""
    passed = failed = 0
    skipped: collections.Counter[str] = collections.Counter()
    for text in texts:
        for case in ET.fromstring(text).iter("testcase"):
            kinds = {child.tag: child for child in case}
            if "failure" in kinds or "error" in kinds:
                failed += 1
            elif "skipped" in kinds:
                skipped[kinds["skipped"].get("message") or "no reason given"] += 1
            else:
                passed += 1
    return passed, failed, skipped


def main(arguments: list[str]) -> int:
    """Print the totals of the named reports; return 1 if a test failed or none ran."""
    passed, failed, skipped = 0, 0, collections.Counter[str]()
    for name in arguments:
        try:
            more = totals([Path(name).read_text(encoding="utf-8")])
        except (OSError, ET.ParseError) as error:
            print(f"no report of a run: {error}")
            more = (0, 1, collections.Counter())
        passed, failed, skipped = passed + more[0], failed + more[1], skipped + more[2]
    for reason, count in skipped.most_common():
        print(f"skipped {count} x: {reason}")
    print(f"{passed} passed, {failed} failed, {skipped.total()} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
