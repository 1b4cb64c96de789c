"""State of a Module in files."""

import json
import math
import os
import struct
from dataclasses import dataclass
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion import Module, Parameter
from gradion.foundation.errors import InputError
from gradion.module import AbstractPrior, LogNormalPrior, load_state, save_state


class Leaf(Module):
    def __init__(self, value=1.0, **description):
        super().__init__()
        self.register_buffer("grid", jnp.arange(3))
        self.register_buffer("scratch", jnp.zeros(2), persistent=False)
        self.x = Parameter(value, **description)


class Tree(Module):
    def __init__(self, value=1.0, *, share=False):
        super().__init__()
        self.first = Leaf(value)
        self.second = Leaf(2 * value, bounds=(0, 100))
        self.y = Parameter(np.full((2, 3), value), dtype=jnp.float32)
        if share:
            self.second.x = self.first.get_parameter("x")


def described(value, **changes):
    description = {
        "unit": "mol/m^3",
        "bounds": (0, None),
        "prior": LogNormalPrior(1000.0, 0.1),
        "source": 'table "VI"',
        "trainable": False,
    }
    return Leaf(value, **(description | changes))


def test_file_round_trip(tmp_path):
    path = tmp_path / "state.safetensors"
    saved = described(1000.0)
    saved.grid = jnp.array([4, 5, 6])
    save_state(saved, path)
    loaded = Leaf(1.0, unit="mol/m^3")
    assert load_state(loaded, path) == ([], [])
    assert loaded.x == 1000.0
    assert loaded.get_parameter("x").meta == saved.get_parameter("x").meta
    np.testing.assert_array_equal(loaded.grid, [4, 5, 6])
    assert jax.tree.structure(loaded) == jax.tree.structure(saved)
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.safetensors"]


def test_units_are_converted(tmp_path):
    path = tmp_path / "state"
    save_state(described(1000.0, bounds=(1, 2000)), path)
    loaded = Leaf(1.0, unit="mol/dm^3")
    load_state(loaded, path)
    parameter = loaded.get_parameter("x")
    assert parameter.unit == Parameter(1.0, unit="mol/dm^3").unit
    assert parameter.value == pytest.approx(1.0, rel=1e-14)
    assert parameter.bounds == pytest.approx((1e-3, 2.0), rel=1e-14)
    assert parameter.prior.median == pytest.approx(1.0, rel=1e-14)
    with pytest.raises(InputError, match=f"{path}: .*x: unit"):
        load_state(Leaf(1.0, unit="m"), path)


def test_shared_parameter_is_written_once(tmp_path):
    path = tmp_path / "state"
    save_state(Tree(3.0, share=True), path)
    names = json.loads(path.read_bytes()[8 : 8 + struct.unpack("<Q", path.read_bytes()[:8])[0]])
    assert "first.x" in names
    assert "second.x" not in names
    for target in (Tree(share=True), Tree()):
        load_state(target, path)
        assert target.second.x == 3.0


def test_dtypes_and_shapes_of_arrays_survive(tmp_path):
    module = Module()
    for i, dtype in enumerate(["bool", "int8", "uint32", "float16", "bfloat16", "float32"]):
        module.register_buffer(f"b{i}", jnp.ones((i, 2), dtype))
    module.register_buffer("turned", jnp.arange(6.0).reshape(2, 3).T)
    expected = module.state_dict()
    save_state(module, tmp_path / "state")
    for name, array in expected.items():
        setattr(module, name, jnp.zeros_like(array))
    load_state(module, tmp_path / "state")
    for name, array in module.state_dict().items():
        assert array.dtype == expected[name].dtype
        np.testing.assert_array_equal(array, expected[name])


def test_a_file_that_fails_leaves_the_module(tmp_path):
    path = tmp_path / "state"
    save_state(Leaf(5.0, source="new"), path)
    target = Leaf(np.ones(2), source="old")
    with pytest.raises(InputError, match=r"state of Leaf.*x: shape \(\), expected \(2,\)"):
        load_state(target, path)
    assert target.get_parameter("x").source == "old"


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_state(Leaf(), tmp_path / "none")
    with pytest.raises(InputError, match="no such file"):
        load_state(Leaf(), tmp_path)
    from safetensors.numpy import save_file

    save_file({"x": np.ones(1)}, tmp_path / "foreign")
    with pytest.raises(InputError, match="no state of a gradion Module"):
        load_state(Leaf(), tmp_path / "foreign")
    save_file({"x": np.ones(1)}, tmp_path / "later", {"format": "gradion-state", "version": "9"})
    with pytest.raises(InputError, match="has version 9, expected one of 1, 2"):
        load_state(Leaf(), tmp_path / "later")


def version_1_header():
    return {"format": "gradion-state", "version": "1", "shared": "{}", "parameters": "{}"}


def header_entry(**changes):
    entry = {"unit": "1", "bounds": None, "prior": None, "source": None, "trainable": True}
    return json.dumps({"x": entry | changes})


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        "{",
        "[]",
        '{"x": {}}',
        '{"x": 3}',
        header_entry(unit="florps"),
        header_entry(bounds=[2, 1]),
        header_entry(prior={"kind": "odd"}),
        header_entry(prior={"kind": "normal", "mean": 1}),
        header_entry(trainable="yes"),
    ],
)
def test_damaged_headers(tmp_path, parameters):
    from safetensors.numpy import save_file

    header = version_1_header()
    if parameters is None:
        del header["parameters"]
    else:
        header["parameters"] = parameters
    save_file({"x": np.ones(())}, tmp_path / "state", header)
    if parameters == "[]":
        # An empty list describes nothing; the buffers that are missing are told then.
        with pytest.raises(InputError, match="missing grid"):
            load_state(Leaf(), tmp_path / "state")
        return
    with pytest.raises(InputError, match="damaged header") as caught:
        load_state(Leaf(), tmp_path / "state")
    assert "\n" not in str(caught.value)


def test_truncated_and_corrupt_files(tmp_path):
    path = tmp_path / "state"
    save_state(Tree(), path)
    content = path.read_bytes()
    for cut in (0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:cut])
        with pytest.raises(InputError, match="cannot be read") as caught:
            load_state(Tree(), path)
        assert "\n" not in str(caught.value)
    for damaged in (b"\xff" * 8 + content[8:], content[:9] + b"\x00" + content[10:], content * 2):
        path.write_bytes(damaged)
        with pytest.raises(InputError):
            load_state(Tree(), path)


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "state"
    save_state(Leaf(1.0), path)
    before = path.read_bytes()

    def full(_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        save_state(Leaf(2.0), path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_file_rights_are_those_of_any_new_file(tmp_path):
    save_state(Leaf(), tmp_path / "state")
    (tmp_path / "other").write_bytes(b"")
    assert (tmp_path / "state").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_what_a_file_cannot_hold(tmp_path):
    class Odd(AbstractPrior):
        def log_density(self, value):
            return value

        def scaled(self, factor):
            return self

    with pytest.raises(InputError, match="x has a prior of class Odd"):
        save_state(Leaf(prior=Odd()), tmp_path / "state")
    with pytest.raises(InputError, match="being traced"):
        jax.jit(lambda m: save_state(m, tmp_path / "state"))(Leaf())
    assert not list(tmp_path.iterdir())


def test_uninitialised_parameters_are_named(tmp_path):
    tree = Tree()
    tree.first.x = Parameter.uninitialized()
    tree.z = Parameter.uninitialized(dtype=jnp.float32)
    with pytest.raises(InputError, match=r"z, first\.x not initialised"):
        save_state(tree, tmp_path / "state")
    assert not list(tmp_path.iterdir())


def test_files_of_version_1_load(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "state"
    meta = json.loads(header_entry(unit="m", bounds=[0, None], source="old"))["x"]
    header = version_1_header() | {
        "parameters": json.dumps({"first.x": meta}),
        "shared": json.dumps({"second.x": "first.x"}),
    }
    save_file({"first.x": np.float64([[3.0, 4.0]]), "first.grid": np.arange(4, 7)}, path, header)
    target = Tree()
    target.first.x = target.second.x = Parameter(np.ones((1, 2)), unit="mm")
    assert load_state(target, path, strict=False).missing_keys == ["y", "second.grid"]
    np.testing.assert_allclose(target.first.x, [[3000.0, 4000.0]])
    assert target.first.get_parameter("x").source == "old"
    np.testing.assert_array_equal(target.first.grid, [4, 5, 6])


@pytest.mark.parametrize("kind", ["threefry2x32", "rbg"])
@pytest.mark.parametrize("count", [None, 3])
def test_random_keys_survive(tmp_path, kind, count):
    def keys(seed):
        key = jax.random.key(seed, impl=kind)
        return key if count is None else jax.random.split(key, count)

    module = Module()
    module.register_buffer("key", keys(5))
    save_state(module, tmp_path / "state")
    module.key = keys(6)
    load_state(module, tmp_path / "state")
    assert module.key.dtype == keys(5).dtype
    np.testing.assert_array_equal(jax.random.key_data(module.key), jax.random.key_data(keys(5)))


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "float8_e5m2", "int4", "uint64"])
def test_dtypes_beyond_the_format_survive(tmp_path, dtype):
    module = Module()
    saved = jnp.asarray([[1, 0, 3]]).astype(dtype) * jnp.asarray(1j if "com" in dtype else 1, dtype)
    module.register_buffer("b", saved)
    module.register_buffer("none", jnp.zeros((0, 2), dtype))
    save_state(module, tmp_path / "state")
    module.b = jnp.zeros_like(saved)
    load_state(module, tmp_path / "state")
    assert module.b.dtype == saved.dtype
    np.testing.assert_array_equal(module.b, saved)
    assert module.none.shape == (0, 2)


class Extra(Module):
    _version = 4

    def __init__(self, extra=None):
        super().__init__()
        self.register_buffer("b", jnp.zeros(2))
        self.extra = [extra]

    def __setattr__(self, name, value):
        # Not hashable: extra state is no business of JAX.
        object.__setattr__(self, name, value) if name == "extra" else super().__setattr__(
            name, value
        )

    def get_extra_state(self):
        return self.extra[0]

    def set_extra_state(self, state):
        self.extra = [state]


def test_extra_state_survives(tmp_path):
    class Holder(Module):
        def __init__(self, extra=None):
            super().__init__()
            self.part = Extra(extra)

    nested = {
        "steps": 3,
        7: [True, None, "x", 0.1, float("inf"), (1, ("a", [])), {}],
        "arrays": (jnp.arange(3), {"n": np.ones((2, 1), np.float32), "k": jax.random.key(2)}),
        "number": np.float32(0.25),
        None: {"float": "nan"},
    }
    save_state(Holder(nested), tmp_path / "state")
    target = Holder()
    assert load_state(target, tmp_path / "state") == ([], [])
    got = target.part.extra[0]
    assert list(got) == list(nested)
    assert got["steps"] == 3
    assert got[7] == nested[7]
    assert [type(item) for item in got[7]] == [type(item) for item in nested[7]]
    assert got[None] == {"float": "nan"}
    array, inner = got["arrays"]
    assert isinstance(array, jax.Array)
    np.testing.assert_array_equal(array, [0, 1, 2])
    assert type(inner["n"]) is np.ndarray
    assert inner["n"].dtype == np.float32
    assert (jax.random.key_data(inner["k"]) == jax.random.key_data(jax.random.key(2))).all()
    assert type(got["number"]) is np.float32
    assert got["number"] == 0.25


@pytest.mark.parametrize("value", [jnp.arange(2), np.arange(2), 3, None, "x", [jnp.ones(1)]])
def test_extra_state_keeps_its_kind(tmp_path, value):
    save_state(Extra(value), tmp_path / "state")
    target = Extra("other")
    load_state(target, tmp_path / "state")
    (got,) = target.extra
    assert isinstance(got, jax.Array) == isinstance(value, jax.Array)
    assert isinstance(got, np.ndarray) == isinstance(value, np.ndarray)
    np.testing.assert_array_equal(got, value)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({1, 2}, r"_extra_state is a set"),
        ({"a": [1, object()]}, r"_extra_state\.a\.1 is a object"),
        ({(1, 2): 3}, r"_extra_state has a key \(1, 2\)"),
        (b"x", r"_extra_state is a bytes"),
        (np.array(["x"]), r"_extra_state is an array of <U1"),
        (jnp.float32, r"_extra_state is a "),
    ],
)
def test_extra_state_that_a_file_cannot_hold(tmp_path, value, told):
    with pytest.raises(InputError, match=told):
        save_state(Extra(value), tmp_path / "state")
    assert not list(tmp_path.iterdir())


def test_versions_reach_the_hooks(tmp_path):
    save_state(Extra(1), tmp_path / "state")
    seen = []
    target = Extra()
    target.register_load_state_dict_pre_hook(lambda *args: seen.append(args[3]["version"]))
    load_state(target, tmp_path / "state")
    assert seen == [4]


def test_what_hooks_made_of_the_state_is_saved(tmp_path):
    saved = Tree(3.0, share=True)

    def rename(module, state, prefix, local):
        state[prefix + "old"] = state.pop(prefix + "x") * 2
        local["note"] = (1, "a")

    saved.second.register_state_dict_post_hook(rename)
    save_state(saved, tmp_path / "state")
    target = Tree()
    notes = []
    target.second.register_load_state_dict_pre_hook(lambda *args: notes.append(args[3]["note"]))
    result = load_state(target, tmp_path / "state", strict=False)
    assert result == (["second.x"], ["second.old"])
    assert target.first.x == 3.0
    assert notes == [(1, "a")]


@final
@dataclass(frozen=True)
class BoxPrior(AbstractPrior):
    low: float
    high: float = math.inf

    def log_density(self, value):
        return -jnp.log(self.high - self.low) * jnp.ones_like(value)

    def scaled(self, factor):
        return BoxPrior(self.low * factor, self.high * factor)


def test_priors_of_a_user_survive(tmp_path):
    path = tmp_path / "state"
    saved = Tree(3.0)
    saved.first.get_parameter("x").prior = BoxPrior(1.5)
    save_state(saved, path)
    target = Tree()
    with pytest.raises(InputError, match=f"{path}: first.x has a prior of class .*BoxPrior"):
        load_state(target, path)
    assert target.first.x == 1.0
    # Any Parameter's will do: it is where the class is found.
    target.second.get_parameter("x").prior = BoxPrior(0.0, 1.0)
    load_state(target, path)
    assert target.first.get_parameter("x").prior == BoxPrior(1.5)
    assert target.second.get_parameter("x").prior is None


def test_trainability_comes_from_the_file(tmp_path):
    save_state(Leaf(trainable=False), tmp_path / "state")
    target = Leaf()
    load_state(target, tmp_path / "state")
    assert not target.get_parameter("x").trainable


@pytest.mark.parametrize("entry", ["modules", "values", "forms", "order"])
@pytest.mark.parametrize("text", [None, "{", "3", '{"grid": {"odd": "x"}}', '["x", "nope"]'])
def test_damaged_headers_of_version_2(tmp_path, entry, text):
    from safetensors import safe_open
    from safetensors.numpy import save_file

    path = tmp_path / "state"
    save_state(Leaf(2.0), path)
    with safe_open(path, framework="numpy") as file:
        header = file.metadata()
        arrays = {name: file.get_tensor(name) for name in ("x", "grid")}
    header.pop(entry)
    if text is not None:
        header[entry] = text
    save_file(arrays, path, header)
    target = Leaf()
    with pytest.raises(InputError) as caught:
        load_state(target, path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert target.x == 1.0
