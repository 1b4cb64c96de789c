"""Programs that are taken from the cache: in this process, in others, and when they are damaged."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from gradion.extension import Array, Operator
from gradion.foundation.compat.executable import Placement, compile_program
from gradion.graph import Graph, TensorType, capture
from gradion.graph.xla import ExecutableCache, compile_xla
from gradion.graph.xla.executable_cache import CacheEntry

X = np.linspace(0.1, 2.0, 6)
COMPILING = "/jax/core/compile"

# Three programs: on the default device, on another one, and spread over both.
CHILD = f"""
import json, sys
import jax, numpy as np
import jax.monitoring
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from gradion.graph import capture
from gradion.graph.xla import ExecutableCache, compile_xla
from pathlib import Path

X = np.linspace(0.1, 2.0, 6)
graph = capture(lambda w, x: (w * 0.5, jnp.exp(jnp.sin(x) * w)), X, X)
devices = jax.devices()
spread = NamedSharding(Mesh(np.array(devices), ("rows",)), PartitionSpec("rows"))
events = []
jax.monitoring.register_event_duration_secs_listener(lambda name, *_, **__: events.append(name))
cache = ExecutableCache(Path(sys.argv[1]))
made = [compile_xla(graph, donated=[0], device=d, cache=cache) for d in (None, devices[1], spread)]
found = [executable(X, X) for executable in made]
compiled = [name for name in events if name.startswith("{COMPILING}")]
print(json.dumps({{
    "from_cache": [executable.from_cache for executable in made],
    "compiled": len(compiled),
    "places": [sorted(d.id for d in y.devices()) for _, y in found],
    "donating": [executable.memory_analysis().shared > 0 for executable in made],
    "bits": [np.asarray(y).tobytes().hex() for outputs in found for y in outputs],
}}))
"""


@pytest.fixture(scope="module")
def graph():
    return capture(lambda w, x: (w * 0.5, jnp.exp(jnp.sin(x) * w)), X, X)


@pytest.fixture
def cache(tmp_path):
    return ExecutableCache(tmp_path / "executables")


def start(folder):
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    command = [sys.executable, "-c", CHILD, str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def finish(process):
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return json.loads(output)


def test_other_processes_compile_nothing(tmp_path):
    folder = tmp_path / "executables"
    # Two at once on an empty cache: neither stands in the other's way.
    first, second = map(finish, [start(folder), start(folder)])
    third = finish(start(folder))
    assert first["places"] == [[0], [1], [0, 1]]
    assert len(list(folder.iterdir())) == 3
    for found in zip(first["from_cache"], second["from_cache"], strict=True):
        assert not all(found)
    assert first["compiled"] + second["compiled"] > 0
    assert third["from_cache"] == [True] * 3
    assert third["compiled"] == 0
    assert third["donating"] == [True] * 3
    assert first["bits"] == second["bits"] == third["bits"]
    assert third["places"] == first["places"]


def test_a_kept_program_is_the_same_program(graph, cache):
    made = compile_xla(graph, donated=[0], cache=cache)
    kept = compile_xla(graph, donated=[0], cache=cache)
    assert (made.from_cache, kept.from_cache) == (False, True)
    assert kept.compile_seconds == made.compile_seconds == made.seconds > kept.seconds
    assert kept.memory_analysis() == made.memory_analysis()
    assert kept.cost_analysis() == made.cost_analysis()
    for executable in (made, kept):
        for _ in range(2):
            w, x = jnp.asarray(X), jnp.asarray(X)
            found = executable(w, x)
            assert w.is_deleted()
            assert not x.is_deleted()
            assert np.array_equal(found[0], X * 0.5)
    both = [[np.asarray(y).tobytes() for y in f(X, X)] for f in (made, kept)]
    assert both[0] == both[1]
    with pytest.raises(ValueError, match="got shape"):
        kept(X, X[:2])


def test_jax_and_gradion_keep_nothing_twice(graph, tmp_path):
    """What JAX has loaded from its own cache cannot be kept again: it would fail when it runs."""
    settings = {
        "jax_compilation_cache_dir": str(tmp_path / "jax"),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    before = {name: jax.config.values[name] for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    try:
        compile_xla(graph)  # with JAX's cache, which now has it
        in_jax = set((tmp_path / "jax").iterdir())
        assert in_jax
        cache = ExecutableCache(tmp_path / "executables")
        made = [compile_xla(graph, cache=cache) for _ in range(2)]
        again = ExecutableCache(tmp_path / "again")
        made += [compile_xla(graph, cache=again) for _ in range(2)]
        assert {path.name for path in in_jax} == {p.name for p in (tmp_path / "jax").iterdir()}
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()
    assert [executable.from_cache for executable in made] == [False, True, False, True]
    for executable in made:
        assert np.array_equal(executable(X, X)[0], X * 0.5)


def test_other_donation_is_another_program(graph, cache):
    compile_xla(graph, donated=[0], cache=cache)
    other = compile_xla(graph, cache=cache)
    assert not other.from_cache
    w = jnp.asarray(X)
    other(w, w)
    assert not w.is_deleted()
    assert len(cache) == 2


@pytest.mark.parametrize("content", [b"", b"no program", None], ids=["empty", "foreign", "cut"])
def test_what_the_runtime_does_not_take_is_compiled_anew(graph, cache, content):
    """The digest is right, so that the bytes reach the runtime."""
    made = compile_xla(graph, cache=cache)
    (path,) = cache.folder.iterdir()
    whole = cache.find(path.stem)
    cut = whole.content[: len(whole.content) // 2]
    cache.keep(path.stem, CacheEntry(cut if content is None else content, whole.facts))
    again = compile_xla(graph, cache=cache)
    assert not again.from_cache
    assert np.array_equal(again(X, X)[1], made(X, X)[1])
    assert compile_xla(graph, cache=cache).from_cache


def test_a_damaged_entry_is_compiled_anew(graph, cache):
    compile_xla(graph, cache=cache)
    (path,) = cache.folder.iterdir()
    path.write_bytes(path.read_bytes()[:-7])
    assert not compile_xla(graph, cache=cache).from_cache
    assert compile_xla(graph, cache=cache).from_cache


def test_without_a_cache_nothing_is_kept(graph, cache):
    assert not compile_xla(graph).from_cache
    assert not cache.folder.exists()


def test_a_cache_that_cannot_be_used_costs_a_warning(graph, tmp_path):
    (tmp_path / "file").write_text("")
    cache = ExecutableCache(tmp_path / "file" / "executables")
    with pytest.warns(RuntimeWarning, match="cannot be written"):
        executable = compile_xla(graph, cache=cache)
    assert np.array_equal(executable(X, X)[0], X * 0.5)


def test_what_calls_native_code_is_compiled_each_time(cache):
    """The graph names an operator; what that does can change without a change of the graph."""
    graph = Graph()
    kind = TensorType("float64", (6,))
    x = graph.placeholder(kind, name="x")
    call = {"operator": "scaled", "call": "forward", "attributes": {}, "dtypes": []}
    call |= {"batch": None, "directions": None}
    graph.outputs = graph.add("native_call", [x], [kind], attributes=call).outputs
    around = Graph()
    x = around.placeholder(kind, name="x")
    around.outputs = around.add("custom_jvp", [x], [kind], subgraphs=[graph]).outputs
    for factor in (2.0, 3.0):
        operator = Operator(
            "scaled",
            inputs=(Array("x", jnp.float64, ("n",)),),
            outputs=(Array("y", jnp.float64, ("n",)),),
            reference=lambda x, factor=factor: x * factor,
        )
        for program in (graph, around):
            executable = compile_xla(program, cache=cache)
            assert np.array_equal(executable(X)[0], factor * X)
        del operator
    assert len(cache) == 0


def test_calls_of_foreign_code_are_seen():
    shape = jax.ShapeDtypeStruct((2, 2), np.float64)
    place = Placement.of(None)
    for function, names in (
        (lambda x: [jnp.linalg.cholesky(x)], {"lapack_dpotrf_ffi"}),
        (lambda x: [jnp.sin(x @ x)], set()),
    ):
        program = compile_program(function, [shape], donated=(), placement=place)
        assert program.foreign == names


def test_an_entry_holds_no_pickle(graph, cache):
    compile_xla(graph, cache=cache)
    (path,) = cache.folder.iterdir()
    digest, body = path.read_bytes()[:32], path.read_bytes()[32:]
    assert hashlib.sha256(body).digest() == digest
    facts, _, content = body.partition(b"\n")
    assert set(json.loads(facts)) == {"seconds"}
    device = jax.devices()[0]
    # What is left is what the runtime itself reads.
    devices = type(jax.sharding.SingleDeviceSharding(device)._internal_device_list)((device,))
    assert device.client.deserialize_executable(content, devices) is not None
