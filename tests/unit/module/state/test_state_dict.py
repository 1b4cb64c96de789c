"""State of a Module as a dictionary: what is in it, and loading it."""

import copy
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion import Module
from gradion.foundation.errors import InputError
from gradion.module import LogNormalPrior, ModuleList, NormalPrior, TransformError
from gradion.module.state.state_dict import LoadResult, StateDict, StateDictError

from .state_models import Leaf, Tree, values

# -- taking a state ------------------------------------------------------------------------------


def test_names_are_in_torch_order():
    expected = ["y", "first.x", "first.grid", "second.x", "second.grid"]
    assert list(Tree().state_dict()) == expected
    assert list(Leaf().state_dict(prefix="a.")) == ["a.x", "a.grid"]
    assert list(Tree(share=True).state_dict()) == expected


def test_metadata_has_versions_and_descriptions():
    tree = Tree()
    tree.first.get_parameter("x").source = "a book"
    state = tree.state_dict(prefix="m.")
    assert {path: known["version"] for path, known in state._metadata.items()} == {
        "m": 2,
        "m.first": 1,
        "m.second": 1,
    }
    assert state._metadata["m.first"]["parameters"]["x"].source == "a book"
    assert state._metadata["m.second"]["parameters"]["x"].bounds == (0, 100)
    assert Module().state_dict()._metadata == {"": {"version": 1}}


def test_destination_is_filled_and_returned():
    plain = {"there": 1}
    assert Leaf().state_dict(destination=plain, prefix="p.") is plain
    assert list(plain) == ["there", "p.x", "p.grid"]


def test_a_deep_tree_meets_no_limit():
    root = module = Module()
    for _ in range(1500):
        module.a = Leaf()
        module = module.a
    state = root.state_dict()
    assert len(state) == 3000
    assert root.load_state_dict(state) == ([], [])


def test_a_cycle_is_followed_once():
    root = Leaf()
    root.child = Leaf(5.0)
    root.child.parent = root
    assert list(root.state_dict()) == ["x", "grid", "child.x", "child.grid"]
    assert root.load_state_dict({"x": 2.0, "child.x": 3.0}, strict=False).unexpected_keys == []
    assert (root.x, root.child.x) == (2.0, 3.0)


def test_a_wide_tree_costs_no_square():
    def seconds(count):
        root = ModuleList([Leaf() for _ in range(count)])
        state = root.state_dict()
        start = time.process_time()
        for _ in range(3):
            root.load_state_dict(dict(state), assign=True)
        return (time.process_time() - start) / count

    seconds(100)
    # The cost of one Module: alike, where that of the whole grows as its square it is tenfold. A
    # busy machine may pass for that once, a quadratic cost never for linear.
    assert any(seconds(2000) < 4 * seconds(200) for _ in range(5))


# -- the dictionary itself -----------------------------------------------------------------------


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, StateDict.copy])
def test_copies_keep_the_metadata(copied):
    state = Tree(3.0).state_dict()
    twin = copied(state)
    assert type(twin) is StateDict
    assert list(twin) == list(state)
    assert twin._metadata == state._metadata


def test_a_copy_has_metadata_of_its_own():
    state = Tree().state_dict()
    state.copy()._metadata["first"]["parameters"].clear()
    assert state._metadata["first"]["parameters"]


def test_states_map_as_dictionaries_do():
    state, other = Tree(1.0).state_dict(), Tree(3.0).state_dict()
    reordered = StateDict(reversed(other.items()), other._metadata)
    mean = jax.tree.map(lambda a, b: (a + b) / 2, state, reordered)
    assert type(mean) is StateDict
    assert list(mean) == list(state)
    assert mean["second.x"] == 4.0
    assert mean._metadata == state._metadata
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(state)]
    assert paths[0] == "['first.grid']"


def test_compiled_code_tells_descriptions_apart():
    doubled = jax.jit(lambda state: jax.tree.map(lambda x: 2 * x, state))
    for source in ("one", "two"):
        got = doubled(Leaf(3.0, source=source).state_dict())
        assert got["x"] == 6.0
        assert got._metadata[""]["parameters"]["x"].source == source


def test_result_of_loading_prints_briefly():
    assert repr(LoadResult([], [])) == "<All keys matched successfully>"
    assert repr(LoadResult(["a"], [])) == "LoadResult(missing_keys=['a'], unexpected_keys=[])"


# -- loading -------------------------------------------------------------------------------------


def test_load_keeps_the_parameters():
    source, target = Tree(3.0), Tree()
    kept = target.first.get_parameter("x")
    source.first.grid = jnp.array([7, 8, 9])
    assert target.load_state_dict(source.state_dict()) == ([], [])
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
    assert not module.x.aval.weak_type


def test_one_error_tells_all_and_changes_nothing():
    module = Tree()
    state = module.state_dict()
    state["first.x"] = jnp.array(9.0)
    state["second.x"] = jnp.array(-5.0)
    state["y"] = jnp.ones(4)
    state["first.grid"] = np.array([0.5, 1, 2])
    del state["second.grid"]
    state["nonsense"] = jnp.ones(1)
    before = values(module)
    with pytest.raises(StateDictError) as caught:
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
    assert isinstance(caught.value, (InputError, RuntimeError))
    assert values(module) == before


def test_not_strict():
    module = Tree()
    result = module.load_state_dict({"first.x": 4.0, "nonsense": 1}, strict=False)
    assert result.unexpected_keys == ["nonsense"]
    assert result.missing_keys == ["y", "first.grid", "second.x", "second.grid"]
    assert module.first.x == 4.0
    with pytest.raises(StateDictError, match="shape"):
        module.load_state_dict({"y": jnp.ones(4)}, strict=False)


@pytest.mark.parametrize(
    ("extra", "unexpected"),
    [
        ("zz", ["zz"]),
        ("first", ["first"]),
        ("first.zz", ["first.zz"]),
        ("y.zz", ["y.zz"]),
        ("first.scratch", ["first.scratch"]),
        ("first.none", ["first.none"]),
        ("first.nothing", ["first.nothing"]),
        ("_extra_state", ["_extra_state"]),
        ("first..x", ["first..x"]),
        ("gone.x", ["gone.x"]),
        ("", [""]),
    ],
)
def test_what_has_no_place_is_unexpected(extra, unexpected):
    module = Tree()
    module.register_module("gone", None)
    state = module.state_dict() | {extra: jnp.ones(1)}
    assert module.load_state_dict(state, strict=False).unexpected_keys == unexpected
    with pytest.raises(StateDictError, match="unexpected"):
        module.load_state_dict(state)


@pytest.mark.parametrize("value", ["text", None, object(), np.array(["a"]), [1, "b"]])
def test_what_is_no_array_is_told(value):
    module = Leaf()
    with pytest.raises(StateDictError, match=r"x: got .*expected an array"):
        module.load_state_dict({"x": value}, strict=False)


def test_what_is_no_mapping_is_told():
    with pytest.raises(TypeError, match="got list, expected a mapping"):
        Leaf().load_state_dict([("x", 1.0)])
    with pytest.raises(TypeError, match="got key 3, expected text"):
        Leaf().load_state_dict({3: 1.0})


def test_a_scalar_takes_an_array_of_one():
    module = Leaf()
    module.load_state_dict({"x": jnp.array([4.0])}, strict=False)
    assert module.x.shape == ()
    assert module.x == 4.0


def test_shared_parameter_given_two_values():
    module = Tree(share=True)
    state = module.state_dict()
    module.load_state_dict(state)
    # Equal is enough: a state from a file has arrays of its own.
    module.load_state_dict({name: np.array(array) for name, array in state.items()})
    state["second.x"] = jnp.array(5.0)
    with pytest.raises(StateDictError, match=r"second\.x: differs from first\.x"):
        module.load_state_dict(state)
    assert module.first.x == 1.0


def test_buffer_of_a_shared_module_given_two_values():
    module = Module()
    module.a = module.b = Leaf()
    state = module.state_dict()
    assert list(state) == ["a.x", "a.grid", "b.x", "b.grid"]
    state["b.grid"] = jnp.arange(3) + 1
    with pytest.raises(StateDictError, match=r"b\.grid: differs from a\.grid"):
        module.load_state_dict(state)


def test_random_key_buffers_load():
    module = Module()
    module.register_buffer("key", jax.random.key(3))
    state = module.state_dict()
    module.key = jax.random.key(4)
    module.load_state_dict(state)
    assert (jax.random.key_data(module.key) == jax.random.key_data(state["key"])).all()
    with pytest.raises(StateDictError, match=r"key: dtype uint32 does not convert"):
        module.load_state_dict({"key": np.uint32(3)})


def test_the_mapping_given_stays_as_it_is():
    module = Tree()

    def spoil(module, state, prefix, local, *_):
        state.clear()
        local.clear()

    module.first.register_load_state_dict_pre_hook(spoil)
    module.register_load_state_dict_pre_hook(lambda m, state, *_: state.pop("y"))
    state = Tree(3.0).state_dict()
    names, metadata = list(state), copy.deepcopy(state._metadata)
    result = module.load_state_dict(state, strict=False)
    assert result.missing_keys == ["y", "first.x", "first.grid"]
    assert list(state) == names
    assert state._metadata == metadata


def test_nothing_is_written_in_a_bare_transformation():
    module = Leaf()

    @jax.jit
    def load(value):
        module.load_state_dict({"x": value}, strict=False)

    with pytest.raises(TransformError):
        load(3.0)
    assert module.x == 1.0


# -- descriptions --------------------------------------------------------------------------------


def test_descriptions_are_loaded():
    prior = LogNormalPrior(2.0, 0.1)
    state = Leaf(3.0, bounds=(1, 9), prior=prior, source="a book").state_dict()
    target = Leaf(0.5)
    target.load_state_dict(state)
    meta = target.get_parameter("x").meta
    assert (meta.bounds, meta.prior, meta.source) == ((1, 9), prior, "a book")


def test_a_plain_dictionary_leaves_descriptions():
    target = Leaf(0.5, source="mine", bounds=(0, 1))
    target.load_state_dict(dict(Leaf(0.7, source="other").state_dict()))
    assert target.x == 0.7
    assert target.get_parameter("x").source == "mine"
    with pytest.raises(StateDictError, match="outside its bounds"):
        target.load_state_dict(dict(Leaf(3.0).state_dict()))


def test_what_is_trainable_stays():
    target = Leaf()
    target.requires_grad_(False)
    target.load_state_dict(Leaf(trainable=True).state_dict())
    assert not target.get_parameter("x").trainable


def test_units_are_converted():
    source = Leaf(3.0, unit="m", bounds=(1, 5), prior=NormalPrior(2.0, 0.5))
    target = Leaf(1.0, unit="mm")
    target.load_state_dict(source.state_dict())
    parameter = target.get_parameter("x")
    assert parameter.unit == "mm"
    assert float(parameter.value) == pytest.approx(3000.0, rel=1e-14)
    assert parameter.bounds == pytest.approx((1000.0, 5000.0), rel=1e-14)
    assert parameter.prior.mean == pytest.approx(2000.0, rel=1e-14)
    with pytest.raises(StateDictError, match=r"x: unit 'm' has dimension"):
        Leaf(1.0, unit="s").load_state_dict(source.state_dict())


def test_an_unchanged_description_is_no_change_of_structure():
    module = Tree()
    metas = [parameter.meta for parameter in module.parameters()]
    module.load_state_dict(copy.deepcopy(Tree(4.0).state_dict()))
    assert all(p.meta is meta for p, meta in zip(module.parameters(), metas, strict=True))
