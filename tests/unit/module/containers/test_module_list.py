"""ModuleList: what torch 2.13.0's does (probed 2026-11-22), and where it differs."""

import copy

import jax
import jax.numpy as jnp
import pytest

import gradion
from gradion import Module, Parameter
from gradion.module import TransformError
from gradion.module.containers import ModuleList, Sequential


class Shift(Module):
    def __init__(self, by):
        super().__init__()
        self.by = Parameter(float(by))

    def forward(self, x):
        return x + self.by


def shifts(*numbers):
    return ModuleList(Shift(number) for number in numbers)


def numbers(modules):
    return [None if module is None else float(module.by) for module in modules]


def names(module):
    return [name for name, _ in module.named_children()]


def test_it_is_made_of_nothing_none_a_list_or_a_generator():
    assert len(ModuleList()) == len(ModuleList(None)) == len(ModuleList([])) == 0
    assert not ModuleList()
    assert numbers(ModuleList([Shift(1), Shift(2)])) == numbers(shifts(1, 2)) == [1, 2]
    assert numbers(ModuleList(modules=[Shift(3)])) == [3]


def test_entries_are_children_named_by_position():
    modules = shifts(1, 2, 3)
    assert names(modules) == ["0", "1", "2"]
    assert list(modules.state_dict()) == ["0.by", "1.by", "2.by"]
    assert modules.get_submodule("1") is modules[1]
    assert getattr(modules, "2") is modules[2]


@pytest.mark.parametrize(
    ("index", "expected"), [(0, 1), (2, 3), (-1, 3), (-3, 1), (True, 2), (jnp.array(1), 2)]
)
def test_an_index_may_count_from_the_end(index, expected):
    assert float(shifts(1, 2, 3)[index].by) == expected


@pytest.mark.parametrize("index", [3, -4])
def test_an_index_out_of_range_raises(index):
    modules = shifts(1, 2, 3)
    with pytest.raises(IndexError, match=f"ModuleList index {index}, but it has 3 entries"):
        modules[index]
    with pytest.raises(IndexError):
        modules[index] = Shift(1)
    with pytest.raises(IndexError):
        del modules[index]
    with pytest.raises(IndexError):
        modules.pop(index)


@pytest.mark.parametrize("index", ["0", 1.0, None])
def test_an_index_that_is_no_whole_number_raises(index):
    with pytest.raises(TypeError):
        shifts(1, 2)[index]


@pytest.mark.parametrize(
    ("index", "expected"),
    [(slice(1, 3), [2, 3]), (slice(None, None, -1), [4, 3, 2, 1]), (slice(5, 9), [])],
)
def test_a_slice_is_a_list_of_the_same_modules_numbered_anew(index, expected):
    modules = shifts(1, 2, 3, 4)
    part = modules[index]
    assert type(part) is ModuleList
    assert numbers(part) == expected
    assert names(part) == [str(i) for i in range(len(expected))]
    assert list(part) == list(modules)[index]


def test_setting_replaces_one_entry_in_place():
    modules = shifts(1, 2, 3)
    modules[-2] = Shift(7)
    modules[0] = None
    assert numbers(modules) == [None, 7, 3]
    assert names(modules) == ["1", "2"]
    with pytest.raises(TypeError, match="expected a Module or None"):
        modules[1] = 3
    with pytest.raises(TypeError, match="expected a Module or None"):
        modules[1] = Parameter(1.0)
    assert numbers(modules) == [None, 7, 3]
    with pytest.raises(TypeError):
        modules[0:1] = [Shift(1)]


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (0, [2, 3, 4]),
        (-2, [1, 2, 4]),
        (slice(0, 4, 2), [2, 4]),
        (slice(None, None, -2), [1, 3]),
    ],
)
def test_deleting_numbers_the_others_anew(index, expected):
    modules = shifts(1, 2, 3, 4)
    del modules[index]
    assert numbers(modules) == expected
    assert names(modules) == [str(i) for i in range(len(expected))]


def test_append_and_extend_return_the_list():
    modules = shifts(1)
    assert modules.append(Shift(2)) is modules
    assert modules.extend([Shift(3), None]) is modules
    assert modules.extend(shifts(5)) is modules
    assert numbers(modules) == [1, 2, 3, None, 5]


@pytest.mark.parametrize("wrong", [3, "ab", jnp.ones(2), Shift])
def test_what_is_no_module_is_refused(wrong):
    modules = shifts(1)
    with pytest.raises(TypeError, match="expected a"):
        modules.append(wrong)
    with pytest.raises(TypeError):
        modules.insert(0, wrong)
    with pytest.raises(TypeError):
        modules.extend([Shift(2), wrong])
    # PyTorch has added those before the wrong one.
    assert numbers(modules) == [1]


@pytest.mark.parametrize("wrong", [3, None, Shift(1)])
def test_what_is_not_iterable_is_refused(wrong):
    modules = shifts(1)
    with pytest.raises(TypeError, match="expected an iterable of Modules"):
        modules.extend(wrong)
    with pytest.raises(TypeError):
        modules + wrong


# PyTorch 2.13.0 raises KeyError for a negative index and leaves a hole in the names past the end.
@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (0, [9, 1, 2]),
        (1, [1, 9, 2]),
        (2, [1, 2, 9]),
        (-1, [1, 9, 2]),
        (7, [1, 2, 9]),
        (-7, [9, 1, 2]),
    ],
)
def test_insert_takes_the_index_as_a_list_does(index, expected):
    modules = shifts(1, 2)
    assert modules.insert(index, Shift(9)) is None
    assert numbers(modules) == expected
    assert names(modules) == ["0", "1", "2"]
    with pytest.raises(TypeError):
        modules.insert("0", Shift(1))


def test_pop_returns_what_it_deletes():
    modules = shifts(1, 2, 3, 4)
    assert float(modules.pop(0).by) == 1
    assert numbers(modules.pop(slice(0, 2))) == [2, 3]
    assert numbers(modules) == [4]
    assert float(modules.pop(-1).by) == 4
    with pytest.raises(IndexError):
        modules.pop(-1)
    with pytest.raises(TypeError):
        modules.pop()


def test_plus_makes_a_list_and_plus_equals_extends():
    modules = shifts(1, 2)
    both = modules + [Shift(3)]  # noqa: RUF005
    assert numbers(both) == [1, 2, 3]
    assert numbers(modules) == [1, 2]
    assert both[0] is modules[0]
    same = modules
    same += Sequential(Shift(4))
    assert same is modules
    assert numbers(modules) == [1, 2, 4]
    with pytest.raises(TypeError):
        [Shift(1)] + modules  # noqa: RUF005
    with pytest.raises(TypeError):
        modules * 2


def test_a_list_can_be_extended_by_itself():
    modules = shifts(1, 2)
    modules += modules
    assert numbers(modules) == [1, 2, 1, 2]


def test_membership_and_order():
    modules = shifts(1, 2, 3)
    assert modules[1] in modules
    assert Shift(2) not in modules
    assert "1" not in modules
    assert numbers(reversed(modules)) == [3, 2, 1]


def test_dir_leaves_the_numbers_out():
    modules = shifts(1, 2)
    assert not {"0", "1"} & set(dir(modules))
    assert "append" in dir(modules)


def test_repr_shows_equal_neighbours_once():
    text = repr(ModuleList([ModuleList(), ModuleList(), Sequential(), None, None]))
    lines = ["ModuleList(", "  (0-1): 2 x ModuleList()", "  (2): Sequential()"]
    assert text.splitlines() == [*lines, "  (3-4): 2 x None", ")"]


def test_it_cannot_be_called():
    with pytest.raises(NotImplementedError):
        shifts(1)(1.0)


def test_a_child_with_a_name_of_its_own_counts_as_an_entry():
    modules = shifts(1)
    modules.extra = Shift(2)
    modules.append(Shift(3))
    assert names(modules) == ["0", "extra", "2"]
    assert float(modules[1].by) == 2


def test_the_next_number_that_is_taken_is_not_overwritten():
    modules = shifts(1, 2)
    del modules._modules["0"]
    modules._changed()
    with pytest.raises(KeyError, match="'1' of the next entry is taken"):
        modules.append(Shift(3))
    assert numbers(modules) == [2]


def test_copies_are_lists_of_their_own():
    modules = shifts(1, 2)
    twin = copy.deepcopy(modules)
    twin.append(Shift(3))
    assert numbers(modules) == [1, 2]
    assert numbers(twin) == [1, 2, 3]
    assert twin[0] is not modules[0]


def test_a_change_shows_in_compiled_code():
    modules = shifts(1, 2)

    @gradion.jit
    def total(modules, x):
        for module in modules:
            x = module(x)
        return x

    assert float(total(modules, 0.0)) == 3
    modules.append(Shift(4))
    assert float(total(modules, 0.0)) == 7
    del modules[0]
    assert float(total(modules, 0.0)) == 6
    modules.insert(0, modules[1])
    assert float(total(modules, 0.0)) == 10
    assert len(jax.tree.leaves(modules)) == 2


def test_a_change_inside_bare_jit_is_not_lost_silently():
    modules = shifts(1, 2)
    for change in (
        lambda modules: modules.append(Shift(3)),
        lambda modules: modules.insert(0, Shift(3)),
        lambda modules: modules.pop(0),
    ):
        with pytest.raises(TransformError):
            jax.jit(lambda modules, change=change: change(modules)[:0])(modules)
        with pytest.raises(TransformError):
            jax.jit(lambda change=change: change(modules)[:0])()
    assert numbers(modules) == [1, 2]
