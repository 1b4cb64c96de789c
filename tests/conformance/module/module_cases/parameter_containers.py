"""ParameterList and ParameterDict."""

from __future__ import annotations

from typing import Any

from module_cases.case import case
from module_cases.parts import empty, names


def _list(lib: Any, *numbers: float) -> Any:
    return lib.ParameterList([lib.Parameter([number]) for number in numbers])


def _dict(lib: Any, **numbers: float) -> Any:
    return lib.ParameterDict({key: lib.Parameter([number]) for key, number in numbers.items()})


def _listed(lib: Any, parameters: Any) -> list[Any]:
    return [lib.value(entry) for entry in parameters]


@case
def list_registers_its_entries(lib: Any) -> Any:
    root = empty(lib)
    root.parts = _list(lib, 1.0, 2.0)
    return [names(root.named_parameters()), list(root.state_dict()), len(root.parts)]


@case
def list_reads_by_index(lib: Any) -> Any:
    parts = _list(lib, 1.0, 2.0, 3.0)
    found = [lib.value(parts[index]) for index in (0, -1, -3)]
    return [found, [lib.attempt(parts.__getitem__, index) for index in (3, -4)]]


@case
def list_slices(lib: Any) -> Any:
    parts = _list(lib, 1.0, 2.0, 3.0)
    found = parts[1:]
    return [type(found).__name__, _listed(lib, found), names(found.named_parameters())]


@case
def list_slice_shares_parameters(lib: Any) -> Any:
    parts = _list(lib, 1.0, 2.0)
    found = parts[:1]
    return lib.entry(found, 0) is lib.entry(parts, 0)


@case
def list_appends_parameters_and_arrays(lib: Any) -> Any:
    parts = _list(lib, 1.0)
    same = parts.append(lib.Parameter([2.0])) is parts
    parts.append(lib.array([3.0]))
    return [same, _listed(lib, parts), names(parts.named_parameters())]


@case
def list_extends(lib: Any) -> Any:
    parts = _list(lib, 1.0)
    same = parts.extend([lib.Parameter([2.0]), lib.Parameter([3.0])]) is parts
    parts += _list(lib, 4.0)
    return [same, _listed(lib, parts), names(parts.named_parameters())]


@case
def list_extend_by_itself_or_no_list(lib: Any) -> Any:
    parts = _list(lib, 1.0)
    return [lib.attempt(parts.extend, 3), len(parts), _listed(lib, parts)]


@case
def list_sets_an_entry(lib: Any) -> Any:
    parts = _list(lib, 1.0, 2.0)
    parts[1] = lib.Parameter([20.0])
    parts[-2] = lib.Parameter([10.0])
    return [_listed(lib, parts), lib.attempt(parts.__setitem__, 2, lib.Parameter([1.0]))]


@case(
    differs="an array over a Parameter raises in containers as it does for attributes",
    ours=[{"raises": ["TypeError"]}, [[1.0], [2.0]], ["0", "1"]],
)
def list_sets_an_entry_to_an_array(lib: Any) -> Any:
    parts = _list(lib, 1.0, 2.0)
    found = lib.attempt(parts.__setitem__, 1, lib.array([20.0]))
    return [found, _listed(lib, parts), names(parts.named_parameters())]


@case
def list_has_no_deletion(lib: Any) -> Any:
    parts = _list(lib, 1.0, 2.0)
    return lib.attempt(lambda: parts.__delitem__(0))


@case
def list_pop(lib: Any) -> Any:
    parts = _list(lib, 1.0, 2.0)
    return lib.attempt(lambda: lib.value(parts.pop()))


@case
def list_iterates_and_counts(lib: Any) -> Any:
    parts = _list(lib, 1.0, 2.0)
    return [len(parts), [lib.value(entry) for entry in parts], len(lib.ParameterList())]


@case
def list_with_one_parameter_twice(lib: Any) -> Any:
    one = lib.Parameter([1.0])
    parts = lib.ParameterList([one, one])
    lib.set_value(one, [5.0])
    return [_listed(lib, parts), names(parts.named_parameters()), list(parts.state_dict())]


@case
def list_is_not_called(lib: Any) -> Any:
    return lib.attempt(_list(lib, 1.0), lib.array([1.0]))


@case
def list_gradients(lib: Any) -> Any:
    root = empty(lib)
    root.parts = _list(lib, 2.0, 3.0)
    lib.backward(
        lambda root, x: (root.parts[0] * x + root.parts[1] * x**2).sum(), root, lib.array([2.0])
    )
    return {name: lib.value(p.grad) for name, p in root.named_parameters()}


@case
def list_round_trip(lib: Any) -> Any:
    source, target = _list(lib, 5.0, 6.0), _list(lib, 1.0, 2.0)
    result = target.load_state_dict(source.state_dict())
    short = lib.attempt(_list(lib, 1.0).load_state_dict, source.state_dict())
    return [result, _listed(lib, target), short]


@case
def dict_registers_its_entries(lib: Any) -> Any:
    root = empty(lib)
    root.parts = _dict(lib, b=1.0, a=2.0)
    return [names(root.named_parameters()), list(root.state_dict()), len(root.parts)]


@case
def dict_keys_items_values(lib: Any) -> Any:
    parts = _dict(lib, b=1.0, a=2.0)
    return [
        list(parts.keys()),
        [[key, lib.value(entry)] for key, entry in parts.items()],
        [lib.value(entry) for entry in parts.values()],
        list(parts),
        ["a" in parts, "c" in parts],
        list(reversed(parts)),
    ]


@case
def dict_get_and_set(lib: Any) -> Any:
    parts = _dict(lib, a=1.0)
    parts["b"] = lib.Parameter([2.0])
    parts["a"] = lib.Parameter([10.0])
    parts["c"] = lib.array([3.0])
    found = {key: lib.value(parts[key]) for key in parts}
    return [found, lib.attempt(parts.__getitem__, "d"), names(parts.named_parameters())]


@case
def dict_get_with_a_default(lib: Any) -> Any:
    parts = _dict(lib, a=1.0)
    return [lib.value(parts.get("a")), parts.get("b"), parts.get("b", 7)]


@case
def dict_setdefault(lib: Any) -> Any:
    parts = _dict(lib, a=1.0)
    there = lib.value(parts.setdefault("a", lib.Parameter([5.0])))
    new = lib.value(parts.setdefault("b", lib.Parameter([6.0])))
    return [there, new, list(parts)]


@case
def dict_pop_and_popitem(lib: Any) -> Any:
    parts = _dict(lib, a=1.0, b=2.0, c=3.0)
    popped = lib.value(parts.pop("a"))
    key, entry = parts.popitem()
    return [popped, key, lib.value(entry), list(parts), lib.attempt(parts.pop, "z")]


@case
def dict_delete_and_clear(lib: Any) -> Any:
    parts = _dict(lib, a=1.0, b=2.0, c=3.0)
    del parts["b"]
    first = names(parts.named_parameters())
    missing = lib.attempt(parts.__delitem__, "b")
    parts.clear()
    return [first, missing, len(parts), list(parts.state_dict())]


@case
def dict_update(lib: Any) -> Any:
    parts = _dict(lib, a=1.0)
    parts.update({"c": lib.Parameter([3.0]), "b": lib.Parameter([2.0])})
    parts.update([("a", lib.Parameter([10.0]))])
    parts.update(_dict(lib, z=9.0))
    return {key: lib.value(entry) for key, entry in parts.items()}


@case
def dict_update_errors(lib: Any) -> Any:
    parts = _dict(lib, a=1.0)
    bad = (3, [("a", lib.Parameter([1.0]), 1)], [3])
    return [[lib.attempt(parts.update, value) for value in bad], list(parts)]


@case
def dict_unions(lib: Any) -> Any:
    a, b = _dict(lib, x=1.0, y=2.0), _dict(lib, y=20.0, z=30.0)
    both = a | b
    a |= b
    return [
        type(both).__name__,
        {key: lib.value(entry) for key, entry in both.items()},
        {key: lib.value(entry) for key, entry in a.items()},
    ]


@case
def dict_copy_shares_parameters(lib: Any) -> Any:
    parts = _dict(lib, a=1.0)
    copied = parts.copy()
    copied["b"] = lib.Parameter([2.0])
    same = lib.entry(copied, "a") is lib.entry(parts, "a")
    return [type(copied).__name__, same, list(parts), list(copied)]


@case
def dict_fromkeys(lib: Any) -> Any:
    one = lib.Parameter([1.0])
    parts = lib.ParameterDict().fromkeys(["a", "b"], one)
    return [list(parts), lib.entry(parts, "a") is lib.entry(parts, "b")]


@case(
    differs="torch keeps a key that it refused, and lets a key overwrite a plain attribute",
    ours=[{key: {"raises": ["KeyError"]} for key in ("keys", "training", "a.b", "")}, []],
)
def dict_keys_that_are_attributes(lib: Any) -> Any:
    parts = lib.ParameterDict()
    found = {}
    for key in ("keys", "training", "a.b", ""):
        found[key] = lib.attempt(parts.__setitem__, key, lib.Parameter([1.0]))
    return [found, list(parts)]


@case
def dict_key_that_is_no_text(lib: Any) -> Any:
    parts = lib.ParameterDict()
    return lib.attempt(parts.__setitem__, 3.5, lib.Parameter([1.0]))


@case
def dict_is_not_called(lib: Any) -> Any:
    return lib.attempt(_dict(lib, a=1.0), lib.array([1.0]))


@case
def dict_gradients(lib: Any) -> Any:
    root = empty(lib)
    root.parts = _dict(lib, slope=2.0, shift=3.0)
    lib.backward(
        lambda root, x: (root.parts["slope"] * x + root.parts["shift"]).sum(),
        root,
        lib.array([2.0, 5.0]),
    )
    return {name: lib.value(p.grad) for name, p in root.named_parameters()}
