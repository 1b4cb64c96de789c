"""Interrupt, resume, damage: the numbers stay the same to the last bit."""

import re
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from gradion.fit import (
    LBFGS,
    Adam,
    IdentifiabilityRule,
    LevenbergMarquardt,
    MultiStart,
    Problem,
    fit,
    has_checkpoint,
)
from gradion.foundation.errors import InputError

_OPTIMISERS = [
    LevenbergMarquardt(),
    LBFGS(max_iterations=12),
    Adam(max_iterations=12),
    MultiStart(LevenbergMarquardt(), 3, jax.random.key(4)),
]


class _StopError(Exception):
    """What a user's interrupt does."""


def _numbers(result):
    """Everything that must be equal, as bytes."""
    return (
        np.array([p.fitted for p in result.parameters]).tobytes(),
        np.array([p.standard_error for p in result.parameters]).tobytes(),
        result.uncertainty.robust.covariance.tobytes(),
        [
            (i.number, i.cost, i.accepted, i.start, i.round, i.z.tobytes())
            for i in result.iterations
        ],
        [(d.label, d.reason, d.round) for d in result.dropped],
        [d.after.tobytes() for d in result.datasets],
        result.termination,
    )


def _interrupted(problem, path, moments, **settings):
    """Interrupt after each of the iterations counted in `moments`, then run to the end."""
    for moment in moments:
        seen = 0

        def stop(_, moment=moment):
            nonlocal seen
            seen += 1
            if seen == moment:
                raise _StopError

        with pytest.raises(_StopError):
            fit(problem, checkpoint=path, resume=True, progress=stop, **settings)
    return fit(problem, checkpoint=path, resume=True, **settings)


@pytest.mark.parametrize("optimiser", _OPTIMISERS, ids=lambda value: type(value).__name__)
def test_resumed_fits_end_bit_for_bit_alike(kit, tmp_path, optimiser):
    problem = kit.decay_problem()
    whole = fit(problem, optimiser=optimiser)
    parts = _interrupted(problem, tmp_path / "c", [1, 2, 1, 2], optimiser=optimiser)
    assert _numbers(parts) == _numbers(whole)


def test_resume_across_dropped_parameters(kit, tmp_path):
    # Late times only: amplitude and rate show through one number.
    times = np.linspace(3.0, 4.0, 50)
    data = kit.decay_data(inputs=times, measured=0.3 + 0.02 * np.sin(np.arange(50.0)))
    problem = Problem(kit.Decay(), ["*"], [data])
    rule = IdentifiabilityRule()
    whole = fit(problem, drop_unidentifiable=rule)
    assert whole.dropped
    total = len(whole.iterations)
    parts = _interrupted(
        problem, tmp_path / "c", [total // 2, total // 3], drop_unidentifiable=rule
    )
    assert _numbers(parts) == _numbers(whole)


def test_a_finished_fit_resumes_to_its_result(kit, tmp_path):
    problem, calls = kit.decay_problem(), []
    first = fit(problem, checkpoint=tmp_path / "c")
    assert has_checkpoint(tmp_path / "c")
    again = fit(problem, checkpoint=tmp_path / "c", resume=True, progress=calls.append)
    assert calls == []
    assert _numbers(again) == _numbers(first)


def test_resume_without_a_checkpoint_starts(kit, tmp_path):
    assert not has_checkpoint(tmp_path / "c")
    assert fit(kit.decay_problem(), checkpoint=tmp_path / "c", resume=True).is_success
    with pytest.raises(InputError, match="resume needs a checkpoint"):
        fit(kit.decay_problem(), resume=True)
    with pytest.raises(InputError, match="no such folder"):
        fit(kit.decay_problem(), checkpoint=tmp_path / "none" / "c")


def _begun(kit, tmp_path):
    """A checkpoint of two generations, and the problem it belongs to."""
    problem = kit.decay_problem()
    with pytest.raises(_StopError):
        _stop_at(problem, tmp_path / "c", 3)
    return problem


def _stop_at(problem, path, moment):
    seen = []

    def stop(item):
        seen.append(item)
        if len(seen) == moment:
            raise _StopError

    fit(problem, checkpoint=path, progress=stop)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_damaged_checkpoint_is_never_read(kit, tmp_path, damage):
    problem = _begun(kit, tmp_path)
    whole = fit(problem)
    path = tmp_path / "c"
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[-20] ^= 1
    path.write_bytes(content[: {"truncated": 300, "flipped": None, "empty": 0}[damage]])
    with pytest.warns(UserWarning, match=r"c (cannot be read|has a wrong checksum)"):
        resumed = fit(problem, checkpoint=path, resume=True)
    assert _numbers(resumed) == _numbers(whole)


def test_two_damaged_generations_are_an_error(kit, tmp_path):
    problem = _begun(kit, tmp_path)
    for path in tmp_path.iterdir():
        path.write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match=r"cannot be read.*previous cannot be read"):
        fit(problem, checkpoint=tmp_path / "c", resume=True)


def test_a_kill_between_two_renames_loses_nothing(kit, tmp_path):
    problem = _begun(kit, tmp_path)
    whole = fit(problem)
    (tmp_path / "c").unlink()
    resumed = fit(problem, checkpoint=tmp_path / "c", resume=True)
    assert _numbers(resumed) == _numbers(whole)


def test_another_fit_is_refused_and_the_difference_told(kit, tmp_path):
    _begun(kit, tmp_path)
    first, second, third = kit.decay_problem().datasets
    changes = {
        r"data set 'first' was '.*values": lambda: Problem(
            kit.Decay(), ["*"], [kit.decay_data("first", seed=5), second, third]
        ),
        r"parameter 'a' was 'start 1.0 V, .*', is 'start 1.1 V": lambda: Problem(
            kit.Decay(a=1.1), ["*"], [first, second, third]
        ),
        r"parameter 'k' was .*bounds \(0.001, 100.0\)": lambda: kit.decay_problem(
            bounds={"k": (0.1, 1.0)}
        ),
        r"parameter 'c' is missing now": lambda: Problem(
            kit.Decay(), ["a", "k"], [first, second, third]
        ),
        r"data set 'third' is missing now": lambda: Problem(kit.Decay(), ["*"], [first, second]),
    }
    for message, make in changes.items():
        with pytest.raises(InputError, match="belongs to another fit") as raised:
            fit(make(), checkpoint=tmp_path / "c", resume=True)
        assert re.search(message, str(raised.value))
    with pytest.raises(InputError, match="optimiser was 'LevenbergMarquardt"):
        fit(kit.decay_problem(), optimiser=LBFGS(), checkpoint=tmp_path / "c", resume=True)


_SCRIPT = """
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from gradion.fit import (
    AbstractObservable, DataSet, LevenbergMarquardt, MultiStart, Problem, fit
)
from gradion.module import Module, Parameter


class Decay(Module):
    def __init__(self):
        super().__init__()
        self.a = Parameter(1.0, bounds=(0.1, 9.0))
        self.k = Parameter(0.5, bounds=(1e-3, 100.0))
        self.c = Parameter(0.1)


@dataclass(frozen=True)
class Value(AbstractObservable):
    def predict(self, module, inputs):
        return module.a * jnp.exp(-module.k * inputs) + module.c


def slowly(item):
    print(item.number, flush=True)
    time.sleep(float(sys.argv[2]))


t = np.linspace(0.0, 4.0, 50)
measured = 2.0 * np.exp(-1.3 * t) + 0.3 + 0.01 * np.random.default_rng(0).standard_normal(50)
data = DataSet(name="d", observable=Value(), inputs=t, measured=measured, sigma=0.01)
result = fit(
    Problem(Decay(), ["*"], [data]),
    optimiser=MultiStart(LevenbergMarquardt(), 6, jax.random.key(1)),
    checkpoint=Path(sys.argv[1]),
    resume=True,
    progress=slowly,
)
fitted = [p.fitted.hex() for p in result.parameters]
errors = [p.standard_error.hex() for p in result.parameters]
costs = [item.cost.hex() for item in result.iterations]
print("RESULT", fitted, errors, costs, flush=True)
"""


def _killed_and_resumed(tmp_path, kills):
    script = tmp_path / "fit.py"
    script.write_text(_SCRIPT)

    def command(name, pause):
        return [sys.executable, str(script), str(tmp_path / name), str(pause)]

    def result_line(output):
        return next(line for line in output.splitlines() if line.startswith("RESULT"))

    whole = subprocess.run(command("whole", 0.0), capture_output=True, text=True, check=True)
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(kills):
        child = subprocess.Popen(command("parts", 0.02), stdout=subprocess.PIPE, text=True)
        child.stdout.readline()
        # Any moment from the first checkpoint on, in the midst of a write as well.
        time.sleep(float(rng.uniform(0.0, 0.15)))
        hits += child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.communicate()
    last = subprocess.run(command("parts", 0.0), capture_output=True, text=True, check=True)
    assert hits >= kills // 2
    assert result_line(last.stdout) == result_line(whole.stdout)


def test_killed_fits_resume_bit_for_bit(tmp_path):
    _killed_and_resumed(tmp_path, 2)


@pytest.mark.slow
def test_many_killed_fits_resume_bit_for_bit(tmp_path):
    _killed_and_resumed(tmp_path, 20)
