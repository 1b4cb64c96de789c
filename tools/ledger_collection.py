"""A pytest plugin that writes every collected test with its markers to a JSON file.

Loaded by check_ledger with ``-p ledger_collection``; the file is named by GRADION_COLLECTION.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

__all__ = ["pytest_collection_finish"]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Write ``{test id: [marker, ...]}``."""
    found = {item.nodeid: [mark.name for mark in item.iter_markers()] for item in session.items}
    Path(os.environ["GRADION_COLLECTION"]).write_text(json.dumps(found), encoding="utf-8")
