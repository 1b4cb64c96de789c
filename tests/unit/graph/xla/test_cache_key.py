"""What the key of a compiled program depends on."""

from __future__ import annotations

import jax
import jaxlib.version
import pytest

from gradion.extension.ffi_version import FfiVersion
from gradion.foundation.compat.executable import Placement
from gradion.graph import capture
from gradion.graph.xla import cache_key as module
from gradion.graph.xla.cache_key import cache_key

GRAPH = capture(lambda x, y: x + y, 1.0, 2.0)


def key(graph=GRAPH, donated=(), placement=None):
    return cache_key(graph, donated=donated, placement=placement or Placement.of(None))


def test_the_key_is_of_values():
    other = capture(lambda a, b: a + b, 1.0, 2.0)
    assert key() == key(other)
    assert len(key()) == 64
    assert key(donated=(1, 0)) == key(donated=[0, 1, 1])
    # The same program, whether or not the user has named the default device.
    assert key(placement=Placement.of(jax.devices()[0])) == key()


def test_graph_donation_and_dtypes_count():
    found = {
        key(),
        key(capture(lambda x, y: x - y, 1.0, 2.0)),
        key(capture(lambda x, y: x + y, 1, 2)),
        key(donated=(0,)),
        key(donated=(1,)),
    }
    assert len(found) == 5


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (jax, "__version__", "99.0"),
        (jaxlib.version, "__version__", "99.0"),
        (module, "_FORMAT", 99),
        (module, "processor_identity", lambda: "another processor"),
        (module, "runtime_version", lambda: FfiVersion(99, 0)),
        (module, "_meaning", lambda: "other rules"),
        (Placement, "description", lambda self: ["another device"]),
    ],
    ids=["jax", "jaxlib", "format", "processor", "ffi", "operators", "device"],
)
def test_versions_and_machine_count(monkeypatch, owner, name, value):
    before = key()
    monkeypatch.setattr(owner, name, value)
    assert key() != before


@pytest.mark.parametrize("name", ["XLA_FLAGS", "LIBTPU_INIT_ARGS", "NVIDIA_TF32_OVERRIDE"])
def test_variables_of_the_environment_count(monkeypatch, name):
    before = key()
    monkeypatch.setenv(name, "--something")
    assert key() != before


def test_settings_of_the_thread_count():
    before = key()
    with jax.default_matmul_precision("highest"):
        precise = key()
    with jax.enable_x64(not jax.config.jax_enable_x64):
        other_width = key()
    assert len({before, precise, other_width}) == 3
    assert key() == before


def test_settings_that_change_no_code_do_not_count():
    before = key()
    with jax.log_compiles(True), jax.transfer_guard("allow"):
        assert key() == before


def test_the_code_of_the_operators_is_read(monkeypatch, tmp_path):
    folder = tmp_path / "graph"
    (folder / "operators").mkdir(parents=True)
    monkeypatch.setattr(module, "__file__", str(folder / "xla" / "cache_key.py"))
    found = set()
    for name, text in (("evaluate.py", "1"), ("operators/sum.py", "1"), ("operators/sum.py", "2")):
        (folder / name).write_text(text)
        found.add(module._meaning.__wrapped__())
    assert len(found) == 3
