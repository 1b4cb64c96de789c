"""ModuleDict: what torch 2.13.0's does (probed 2026-11-22)."""

from collections import OrderedDict

import jax
import pytest

from gradion import Module, Parameter
from gradion.module.containers import ModuleDict


class Shift(Module):
    def __init__(self, by):
        super().__init__()
        self.by = Parameter(float(by))

    def forward(self, x):
        return x + self.by


def shifts(**numbers):
    return ModuleDict({name: Shift(number) for name, number in numbers.items()})


def numbers(modules):
    return {name: None if m is None else float(m.by) for name, m in modules.items()}


def test_it_is_made_of_a_mapping_pairs_or_another():
    a, b = Shift(1), Shift(2)
    for given in ({"b": b, "a": a}, [("b", b), ["a", a]], ModuleDict({"b": b, "a": a})):
        modules = ModuleDict(given)
        assert list(modules) == ["b", "a"]
        assert modules["a"] is a
    assert len(ModuleDict()) == len(ModuleDict(None)) == 0
    assert not ModuleDict()


def test_keys_are_names_of_children():
    modules = shifts(x=1, y=2)
    assert modules.x is modules["x"]
    assert list(modules.state_dict()) == ["x.by", "y.by"]


@pytest.mark.parametrize("wrong", [3, [1], [None]])
def test_what_has_no_pairs_is_refused(wrong):
    with pytest.raises(TypeError):
        ModuleDict(wrong)
    with pytest.raises(TypeError):
        ModuleDict().update(wrong)


@pytest.mark.parametrize("wrong", [[("x",)], [("x", Shift(1), 1)]])
def test_an_entry_that_is_no_pair_is_refused(wrong):
    with pytest.raises(ValueError, match="expected a pair"):
        ModuleDict(wrong)


def test_update_of_nothing_raises():
    with pytest.raises(TypeError):
        ModuleDict().update(None)


@pytest.mark.parametrize("wrong", [3, Parameter(1.0), [Shift(1)]])
def test_what_is_no_module_is_refused(wrong):
    modules = shifts(a=1)
    with pytest.raises(TypeError):
        modules["b"] = wrong
    with pytest.raises(TypeError):
        modules["a"] = wrong
    assert numbers(modules) == {"a": 1}


def test_setting_replaces_in_place_or_adds():
    modules = shifts(a=1, b=2)
    modules["a"] = Shift(7)
    modules["c"] = None
    assert numbers(modules) == {"a": 7, "b": 2, "c": None}
    assert list(modules) == ["a", "b", "c"]


@pytest.mark.parametrize("key", ["", "a.b", "keys", "type", "training", "update"])
def test_a_key_that_is_no_name_or_an_attribute_is_refused(key):
    modules = ModuleDict()
    with pytest.raises(KeyError):
        modules[key] = Shift(1)
    assert len(modules) == 0


def test_a_key_that_is_no_text_is_refused():
    with pytest.raises(TypeError):
        ModuleDict()[1] = Shift(1)


def test_a_missing_key_raises():
    modules = shifts(a=1)
    with pytest.raises(KeyError):
        modules["z"]
    with pytest.raises(KeyError):
        modules[0]
    with pytest.raises(KeyError):
        del modules["z"]
    with pytest.raises(KeyError):
        modules.pop("z")


def test_views_iteration_and_membership():
    modules = shifts(a=1, b=2)
    assert list(modules.keys()) == list(modules) == ["a", "b"]
    assert [float(m.by) for m in modules.values()] == [1, 2]
    assert dict(modules.items())["b"] is modules["b"]
    assert "a" in modules
    assert "z" not in modules
    assert 1 not in modules
    assert {"a", "b"} <= set(dir(modules))


def test_update_keeps_order():
    modules = shifts(a=1)
    assert modules.update(OrderedDict(z=Shift(2), a=Shift(3), y=Shift(4))) is None
    assert numbers(modules) == {"a": 3, "z": 2, "y": 4}
    assert list(modules) == ["a", "z", "y"]
    modules.update(modules)
    assert len(modules) == 3


def test_pop_delete_and_clear():
    modules = shifts(a=1, b=2, c=3)
    assert float(modules.pop("b").by) == 2
    del modules["a"]
    assert list(modules) == ["c"]
    modules.clear()
    assert len(modules) == 0
    assert jax.tree.leaves(modules) == []
    with pytest.raises(TypeError):
        modules.pop("a", None)


def test_it_cannot_be_called():
    with pytest.raises(NotImplementedError):
        ModuleDict()(1.0)


def test_compiled_code_sees_what_changed():
    modules = shifts(a=1, b=2)
    total = jax.jit(lambda modules, x: sum(module(x) for module in modules.values()))
    assert float(total(modules, 0.0)) == 3
    modules["c"] = Shift(4)
    assert float(total(modules, 0.0)) == 7
    modules.clear()
    assert total(modules, 0.0) == 0
