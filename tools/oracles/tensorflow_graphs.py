"""Write what TensorFlow 1 does in the cases of the suite of graphs, as an oracle for ours.

Run where tensorflow-cpu is installed: ``python tools/oracles/tensorflow_graphs.py OUTPUT.json``.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

__all__ = ["CASES_FOLDER", "as_text", "main", "oracle_values"]

CASES_FOLDER = Path(__file__).resolve().parents[2] / "tests" / "peers" / "tensorflow_graphs"


def oracle_values(date: str) -> dict[str, Any]:
    """Return TensorFlow's outcome of every case, and where it comes from."""
    # Read when TensorFlow is imported: no notes on its build, and the plain kernels of the CPU.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    # Not at the top: this file is also imported where there is no TensorFlow.
    import tensorflow

    tf = tensorflow.compat.v1
    tf.disable_eager_execution()
    # Variables whose reads are operations, as they are in TensorFlow 2; the older ones race.
    tf.enable_resource_variables()
    tf.logging.set_verbosity(tf.logging.FATAL)
    if str(CASES_FOLDER) not in sys.path:
        sys.path.insert(0, str(CASES_FOLDER))
    cases = importlib.import_module("graph_cases")
    return {
        "program": "tensorflow-cpu, tf.compat.v1",
        "version": tensorflow.__version__,
        "command": "python tools/oracles/tensorflow_graphs.py OUTPUT.json",
        "date": date,
        "outcomes": {name: cases.run_tensorflow(name, tf) for name in cases.CASES},
    }


def as_text(values: dict[str, Any]) -> str:
    """JSON text with one line for each outcome, so that a change shows as one."""
    head = {key: value for key, value in values.items() if key != "outcomes"}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    outcomes = [f"  {json.dumps(key)}: {json.dumps(it)}" for key, it in values["outcomes"].items()]
    lines.append(' "outcomes": {\n' + ",\n".join(outcomes) + "\n }")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    """Write the file named on the command line."""
    parser = argparse.ArgumentParser(description="Write TensorFlow's outcomes of the graph cases.")
    parser.add_argument("output", type=Path)
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    parser.add_argument("--date", default=today, help="date to store, YYYY-MM-DD; default today")
    options = parser.parse_args()
    options.output.write_text(as_text(oracle_values(options.date)), encoding="utf-8")


if __name__ == "__main__":
    main()
