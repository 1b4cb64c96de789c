"""States of random trees of Modules: taken, loaded, saved, changed, undone."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradion.module import ParameterMeta, load_state, save_state
from gradion.module.state.state_dict import StateDict, StateDictError

from .trees import module_trees


def blank(module):
    """A tree of the same make, with other values and no descriptions but the units."""
    twin = copy.deepcopy(module)
    for parameter in twin.parameters():
        parameter.meta = ParameterMeta(unit=parameter.unit)
        parameter.value = jnp.full(parameter.shape, 17.0)
    for owner in twin.modules():
        for name, array in owner._buffers.items():
            if array is not None:
                owner._buffers[name] = jnp.zeros_like(array)
    return twin


def facts(module, *, trainable):
    """All that a state keeps: values, dtypes, descriptions, and what is shared with what."""
    first = {}
    found = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        meta = parameter.meta
        described = (meta.unit, meta.bounds, meta.prior, meta.source, trainable and meta.trainable)
        found[name] = (first.setdefault(id(parameter), name), described)
    for name, array in module.state_dict().items():
        found["state " + name] = (str(array.dtype), np.asarray(array).tolist())
    return found


@given(module=module_trees())
def test_a_state_restores_everything(module):
    twin = blank(module)
    assert twin.load_state_dict(module.state_dict()) == ([], [])
    assert facts(twin, trainable=False) == facts(module, trainable=False)


@given(module=module_trees())
def test_a_file_restores_everything(module, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "state"
    save_state(module, path)
    twin = blank(module)
    assert load_state(twin, path) == ([], [])
    assert facts(twin, trainable=True) == facts(module, trainable=True)
    assert list(twin.state_dict()) == list(module.state_dict())


@given(module=module_trees(), assign=st.booleans())
def test_assigned_parameters_bring_everything(module, assign):
    twin = blank(module)
    twin.load_state_dict(module.state_dict(keep_vars=True), assign=assign)
    assert facts(twin, trainable=assign) == facts(module, trainable=assign)
    pairs = zip(twin.parameters(), module.parameters(), strict=True)
    assert all((mine is other) == assign for mine, other in pairs)


@given(module=module_trees(), data=st.data())
def test_what_is_left_out_and_put_in_is_told(module, data):
    state = module.state_dict()
    gone = data.draw(st.sets(st.sampled_from(sorted(state)))) if state else set()
    kept = {name: array for name, array in state.items() if name not in gone}
    odd = [f"{name}.odd" for name in data.draw(st.sets(st.sampled_from(["", "child0", "a.b"])))]
    kept |= dict.fromkeys(odd, 1.0)
    twin = blank(module)
    result = twin.load_state_dict(kept, strict=False)
    assert result.missing_keys == [name for name in state if name in gone]
    assert sorted(result.unexpected_keys) == sorted(odd)
    if gone or odd:
        before = facts(twin, trainable=True)
        with pytest.raises(StateDictError):
            twin.load_state_dict(kept)
        assert facts(twin, trainable=True) == before


@given(module=module_trees(), data=st.data())
def test_a_load_that_fails_changes_nothing(module, data):
    state = module.state_dict()
    if not state:
        return
    name = data.draw(st.sampled_from(sorted(state)))
    twin = blank(module)
    before = facts(twin, trainable=True)
    with pytest.raises(StateDictError, match="does not fit"):
        twin.load_state_dict(state | {name: jnp.ones((3, 4))}, strict=data.draw(st.booleans()))
    assert facts(twin, trainable=True) == before


@given(module=module_trees(), prefix=st.sampled_from(["m.", "a.b."]))
def test_a_prefix_is_all_the_difference(module, prefix):
    state, under = module.state_dict(), module.state_dict(prefix=prefix)
    assert list(under) == [prefix + name for name in state]
    stripped = StateDict({name.removeprefix(prefix): array for name, array in under.items()})
    for path, known in under._metadata.items():
        stripped._metadata[path.removeprefix(prefix[:-1]).removeprefix(".")] = known
    assert stripped._metadata == state._metadata


@given(module=module_trees())
@settings(max_examples=30)
def test_states_are_pytrees(module):
    state = module.state_dict()
    leaves, treedef = jax.tree.flatten(state)
    back = jax.tree.unflatten(treedef, leaves)
    assert type(back) is StateDict
    assert list(back) == list(state)
    assert all(back[name] is state[name] for name in state)
    assert back._metadata == state._metadata
    assert jax.tree.structure(copy.deepcopy(state)) == treedef


@given(module=module_trees())
@settings(max_examples=30)
def test_conversion_there_and_back_is_exact(module):
    # Values are quarters: every floating dtype holds them.
    before = facts(module, trainable=True)
    module.half()
    assert {array.dtype.name for array in module.state_dict().values()} <= {"float16", "int64"}
    module.double()
    assert facts(module, trainable=True) == before


@given(module=module_trees())
@settings(max_examples=30)
def test_the_trees_depend_on_all_that_they_hold(module):
    """What the strategy promises to other tests."""
    x = jnp.array([0.5, 1.5])
    y = copy.deepcopy(module)(x)
    assert y.shape == (2,)
    for parameter in module.parameters():
        twin = copy.deepcopy(module)
        names = dict(module.named_parameters())
        (name,) = [n for n, p in names.items() if p is parameter]
        twin.get_parameter(name).meta = ParameterMeta(unit=parameter.unit)
        twin.get_parameter(name).value = parameter.value + 0.125
        assert not np.array_equal(twin(x), y)
    running = [name for name, _ in module.named_buffers() if name.endswith("mean")]
    called = copy.deepcopy(module)
    called(x)
    counts = [called.get_buffer(name.removesuffix("mean") + "count") for name in running]
    assert all((count > 0) == module.training for count in counts)
