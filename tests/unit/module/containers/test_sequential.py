"""Sequential: what torch 2.13.0's does (probed 2026-11-22), and where it differs."""

from collections import OrderedDict

import jax
import jax.numpy as jnp
import pytest

from gradion import Module, Parameter
from gradion.module.containers import ModuleList, Sequential


class Power(Module):
    def __init__(self, exponent):
        super().__init__()
        self.exponent = Parameter(float(exponent))

    def forward(self, x):
        return x**self.exponent


class Shift(Module):
    def __init__(self, by):
        super().__init__()
        self.by = Parameter(float(by))

    def forward(self, x):
        return x + self.by


def shifts(*numbers):
    return Sequential(*(Shift(number) for number in numbers))


def named(**numbers):
    return Sequential(OrderedDict((name, Shift(number)) for name, number in numbers.items()))


def numbers(modules):
    return [None if module is None else float(module.by) for module in modules]


def names(module):
    return [name for name, _ in module.named_children()]


def test_it_calls_its_modules_in_order():
    assert float(Sequential(Shift(1), Power(2))(2.0)) == 9
    assert float(Sequential(Power(2), Shift(1))(2.0)) == 5


def test_an_empty_one_returns_its_argument():
    x = jnp.ones(2)
    assert Sequential()(x) is x
    assert not Sequential()


def test_it_takes_one_argument():
    with pytest.raises(TypeError):
        shifts(1)(1.0, 2.0)
    with pytest.raises(TypeError):
        shifts(1)()


def test_it_is_made_of_modules_or_of_one_mapping():
    assert names(shifts(1, 2)) == ["0", "1"]
    assert names(named(a=1, b=2)) == ["a", "b"]
    # PyTorch takes an OrderedDict alone; a dict is ordered too.
    assert names(Sequential({"b": Shift(1), "a": Shift(2)})) == ["b", "a"]
    assert float(named(a=1, b=2).b.by) == 2


@pytest.mark.parametrize("wrong", [[Shift(1)], 3, jnp.sin])
def test_what_is_no_module_is_refused(wrong):
    with pytest.raises(TypeError, match="expected a Module"):
        Sequential(wrong)
    modules = shifts(1)
    with pytest.raises(TypeError):
        modules.append(wrong)
    # PyTorch raises AssertionError here.
    with pytest.raises(TypeError):
        modules.insert(0, wrong)
    with pytest.raises(TypeError):
        modules.extend([Shift(2), wrong])
    with pytest.raises(TypeError):
        modules[0] = wrong
    assert numbers(modules) == [1]


def test_an_entry_may_be_none_until_it_is_called():
    modules = Sequential(None, Shift(1))
    assert len(modules) == 2
    assert numbers(modules) == [None, 1]
    with pytest.raises(TypeError):
        modules(1.0)
    modules[0] = Shift(2)
    assert float(modules(1.0)) == 4


def test_indices_count_by_position_whatever_the_names():
    modules = named(b=1, a=2, c=3)
    assert float(modules[1].by) == 2
    assert float(modules[-1].by) == 3
    for index in (3, -4):
        with pytest.raises(IndexError):
            modules[index]
    for index in ("a", 1.0):
        with pytest.raises(TypeError):
            modules[index]


def test_a_slice_keeps_names():
    modules = named(a=1, b=2, c=3)
    part = modules[1:]
    assert type(part) is Sequential
    assert names(part) == ["b", "c"]
    assert names(modules[::-1]) == ["c", "b", "a"]
    assert part[0] is modules[1]
    assert names(shifts(1, 2, 3)[1:]) == ["1", "2"]


def test_setting_keeps_the_name():
    modules = named(a=1, b=2)
    modules[-1] = Shift(7)
    assert names(modules) == ["a", "b"]
    assert numbers(modules) == [1, 7]
    with pytest.raises(IndexError):
        modules[2] = Shift(1)


def test_deleting_numbers_all_entries_anew():
    modules = named(a=1, b=2, c=3, d=4)
    del modules[0]
    assert names(modules) == ["0", "1", "2"]
    del modules[::2]
    assert numbers(modules) == [3]
    assert names(modules) == ["0"]


@pytest.mark.parametrize(
    ("index", "expected"), [(0, [9, 1, 2]), (2, [1, 2, 9]), (-1, [1, 9, 2]), (-2, [9, 1, 2])]
)
def test_insert_numbers_what_moves_anew(index, expected):
    modules = shifts(1, 2)
    assert modules.insert(index, Shift(9)) is modules
    assert numbers(modules) == expected
    assert names(modules) == ["0", "1", "2"]


def test_insert_out_of_range_raises():
    modules = shifts(1, 2)
    for index in (3, -3):
        with pytest.raises(IndexError):
            modules.insert(index, Shift(1))
    assert numbers(modules) == [1, 2]


def test_insert_takes_no_name_away():
    modules = named(a=1, b=2)
    with pytest.raises(KeyError, match="'a' would lose its name"):
        modules.insert(0, Shift(9))
    assert names(modules) == ["a", "b"]
    modules.insert(2, Shift(9))
    assert names(modules) == ["a", "b", "2"]


def test_append_never_overwrites():
    modules = Sequential({"1": Shift(1)})
    with pytest.raises(KeyError, match="taken"):
        modules.append(Shift(2))
    assert numbers(modules) == [1]


def test_append_extend_and_pop():
    modules = shifts(1)
    assert modules.append(Shift(2)) is modules
    assert modules.extend(Shift(i) for i in (3, 4)) is modules
    assert float(modules.pop(1).by) == 2
    assert numbers(modules.pop(slice(0, 2))) == [1, 3]
    assert numbers(modules) == [4]
    with pytest.raises(IndexError):
        modules.pop(5)
    with pytest.raises(TypeError):
        modules.pop()


def test_plus_joins_sequentials_only():
    modules, other = named(a=1), shifts(2)
    assert names(modules + other) == ["0", "1"]
    assert numbers(modules + other) == [1, 2]
    for wrong in ([Shift(1)], ModuleList([Shift(1)]), 3):
        with pytest.raises(ValueError, match="expected a Sequential"):
            modules + wrong
        with pytest.raises(ValueError, match="expected a Sequential"):
            modules += wrong
    with pytest.raises(TypeError):
        [Shift(1)] + modules  # noqa: RUF005
    same = modules
    same += other
    assert same is modules
    assert names(modules) == ["a", "1"]


def test_times_repeats_the_same_modules():
    modules = shifts(1, 2)
    twice = modules * 2
    assert numbers(twice) == numbers(2 * modules) == [1, 2, 1, 2]
    assert twice[2] is modules[0]
    # Shared Modules are shared leaves.
    assert len(jax.tree.leaves(twice)) == 2
    assert float(twice(0.0)) == 6
    same = modules
    same *= 3
    assert same is modules
    assert numbers(modules) == [1, 2] * 3


def test_times_takes_a_positive_whole_number():
    modules = shifts(1)
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="expected 1 or more"):
            modules * wrong
        with pytest.raises(ValueError, match="expected 1 or more"):
            modules *= wrong
    for wrong in (2.0, "2", modules):
        with pytest.raises(TypeError):
            modules * wrong
    assert numbers(modules) == [1]


def test_order_and_membership():
    modules = shifts(1, 2)
    assert numbers(reversed(modules)) == [2, 1]
    assert modules[0] in modules
    assert "0" not in modules
    assert not {"0", "1"} & set(dir(modules))


def test_gradients_flow_through():
    modules = Sequential(Shift(1), Power(3))
    # d/dx (x + 1)^3 = 3 (x + 1)^2
    assert float(jax.grad(modules)(1.0)) == pytest.approx(12, rel=1e-12)
    grads = jax.grad(lambda modules: modules(1.0))(modules)
    assert float(grads[0].by) == pytest.approx(12, rel=1e-12)


def test_a_hook_of_an_entry_runs():
    modules = shifts(1, 2)
    modules[0].register_forward_hook(lambda module, args, output: output * 10)
    assert float(modules(1.0)) == 22
