"""State of a Module: dictionaries and files."""

import json
import os
import struct

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradion import Module, Parameter
from gradion.foundation.errors import InputError
from gradion.module import AbstractPrior, LogNormalPrior, NormalPrior, load_state, save_state


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


def test_names_are_in_torch_order():
    assert list(Tree().state_dict()) == ["y", "first.x", "first.grid", "second.x", "second.grid"]
    assert next(iter(Leaf().state_dict("a."))) == "a.x"
    assert "second.x" in Tree(share=True).state_dict()


def test_load_keeps_the_parameters():
    source, target = Tree(3.0), Tree()
    kept = target.first.get_parameter("x")
    source.first.grid = jnp.array([7, 8, 9])
    assert target.load_state_dict(source.state_dict()) == ((), ())
    assert target.first.get_parameter("x") is kept
    assert kept.value == 3.0
    assert target.second.x == 6.0
    np.testing.assert_array_equal(target.first.grid, [7, 8, 9])
    assert target.y.dtype == jnp.float32
    # Donating one of the two must not destroy the other.
    assert target.first.x.unsafe_buffer_pointer() != source.first.x.unsafe_buffer_pointer()


def test_values_are_converted_to_the_dtype():
    module = Leaf()
    module.load_state_dict({"x": np.float32(0.5), "grid": np.arange(3, dtype=np.int8)})
    assert module.x.dtype == np.float64
    assert module.grid.dtype == jnp.arange(3).dtype


def test_one_error_tells_all_and_changes_nothing():
    module = Tree()
    state = module.state_dict()
    state["first.x"] = jnp.array(9.0)
    state["second.x"] = jnp.array(-5.0)
    state["y"] = jnp.ones(4)
    state["first.grid"] = np.array([0.5, 1, 2])
    del state["second.grid"]
    state["nonsense"] = jnp.ones(1)
    with pytest.raises(InputError) as caught:
        module.load_state_dict(state)
    message = str(caught.value)
    for part in (
        "state of Tree",
        "missing second.grid",
        "unexpected nonsense",
        "y: shape (4,), expected (2, 3)",
        "first.grid: dtype float64 does not convert to int64",
        "second.x: Parameter value -5.0 is outside",
    ):
        assert part in message
    assert "\n" not in message
    assert module.first.x == 1.0


def test_not_strict():
    module = Tree()
    result = module.load_state_dict({"first.x": 4.0, "nonsense": 1}, strict=False)
    assert result.unexpected_keys == ("nonsense",)
    assert result.missing_keys == ("first.grid", "second.grid", "second.x", "y")
    assert module.first.x == 4.0
    with pytest.raises(InputError, match="shape"):
        module.load_state_dict({"y": jnp.ones(4)}, strict=False)


def test_shared_parameter_given_two_values():
    module = Tree(share=True)
    state = module.state_dict()
    module.load_state_dict(state)
    state["second.x"] = jnp.array(5.0)
    with pytest.raises(InputError, match=r"second\.x: differs from first\.x"):
        module.load_state_dict(state)


def test_random_key_buffers_load():
    module = Module()
    module.register_buffer("key", jax.random.key(3))
    state = module.state_dict()
    module.key = jax.random.key(4)
    module.load_state_dict(state)
    assert (jax.random.key_data(module.key) == jax.random.key_data(state["key"])).all()


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
    assert load_state(loaded, path) == ((), ())
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
    with pytest.raises(InputError, match=f"{path}: x: "):
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
    with pytest.raises(InputError, match="has version 9, expected 1"):
        load_state(Leaf(), tmp_path / "later")


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

    header = {"format": "gradion-state", "version": "1", "shared": "{}"}
    if parameters is not None:
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
    keyed = Leaf()
    keyed.register_buffer("key", jax.random.key(0))
    with pytest.raises(InputError, match="key is a key"):
        save_state(keyed, tmp_path / "state")
    with pytest.raises(InputError, match="being traced"):
        jax.jit(lambda m: save_state(m, tmp_path / "state"))(Leaf())
    assert not list(tmp_path.iterdir())


NAMES = st.sampled_from(["a", "b", "D_s", "x0"])
NUMBERS = st.floats(allow_nan=False, width=64)
PRIORS = st.one_of(st.none(), st.builds(NormalPrior, st.floats(-1e3, 1e3), st.floats(1e-3, 1e3)))


@st.composite
def modules(draw, depth=2):
    """A random tree of Modules; some Parameters are shared with an earlier one."""
    pool = []

    def grow(level):
        module = Module()
        module.tag = draw(st.one_of(st.integers(), st.text(max_size=3)))
        for name in draw(st.lists(NAMES, max_size=2, unique=True)):
            if pool and draw(st.booleans()):
                parameter = draw(st.sampled_from(pool))
            else:
                shape = draw(st.sampled_from([(), (2,), (0, 2)]))
                parameter = Parameter(
                    np.full(shape, draw(NUMBERS)),
                    unit=draw(st.sampled_from(["1", "m", "A/m^2"])),
                    prior=draw(PRIORS),
                    source=draw(st.one_of(st.none(), st.text(max_size=5))),
                    trainable=draw(st.booleans()),
                )
                pool.append(parameter)
            module.register_parameter("p_" + name, parameter)
        for name in draw(st.lists(NAMES, max_size=1)):
            module.register_buffer("b_" + name, jnp.arange(3), persistent=draw(st.booleans()))
        if level > 0:
            for name in draw(st.lists(NAMES, max_size=2, unique=True)):
                module.register_module("m_" + name, grow(level - 1))
        return module

    return grow(depth)


@settings(max_examples=40, deadline=None)
@given(module=modules())
def test_round_trips_of_random_trees(module, tmp_path_factory):
    leaves, treedef = jax.tree.flatten(module)
    blank = jax.tree.unflatten(treedef, [jnp.zeros_like(leaf) for leaf in leaves])
    assert jax.tree.structure(blank) == treedef
    assert blank.describe().count("\n") == module.describe().count("\n")
    path = tmp_path_factory.mktemp("trees") / "state"
    save_state(module, path)
    load_state(blank, path)
    assert jax.tree.structure(blank) == treedef
    assert blank.state_dict().keys() == module.state_dict().keys()
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(blank.state_dict()[name], array)
