"""Attribute interception, registration by name, deletion."""

from __future__ import annotations

from typing import Any

from module_cases.case import case
from module_cases.parts import affine, buffered, empty, names, scale


def _stores(module: Any) -> dict[str, list[str]]:
    """Where each name is kept."""
    return {
        "parameters": list(module._parameters),
        "buffers": list(module._buffers),
        "modules": list(module._modules),
        "plain": sorted(name for name in vars(module) if name[0] != "_"),
    }


@case
def parameter_is_registered_in_order(lib: Any) -> Any:
    module = empty(lib)
    module.b = lib.Parameter([1.0])
    module.a = lib.Parameter([2.0, 3.0])
    return [_stores(module), [lib.value(p) for p in module.parameters()], module.a]


@case
def parameter_takes_over_a_buffer(lib: Any) -> Any:
    module = buffered(lib)
    module.cache = lib.Parameter([5.0])
    return [_stores(module), module.cache, list(module.state_dict())]


@case
def parameter_takes_over_a_module(lib: Any) -> Any:
    module = empty(lib)
    module.part = affine(lib)
    module.part = lib.Parameter([5.0])
    return [_stores(module), names(module.named_parameters())]


@case
def parameter_takes_over_a_plain_attribute(lib: Any) -> Any:
    module = empty(lib)
    module.rate = 0.1
    module.rate = lib.Parameter([0.2])
    return [_stores(module), module.rate]


@case
def parameter_replaces_a_parameter_in_place(lib: Any) -> Any:
    module = affine(lib)
    old = module.get_parameter("weight")
    new = lib.Parameter([3.0, 4.0, 5.0])
    module.weight = new
    return [
        names(module.named_parameters()),
        module.get_parameter("weight") is new,
        lib.value(old),
        module.weight,
    ]


@case
def module_over_a_parameter_raises(lib: Any) -> Any:
    module = affine(lib)
    result = lib.attempt(setattr, module, "weight", empty(lib))
    return [result, _stores(module), module.weight]


@case
def module_takes_over_a_buffer(lib: Any) -> Any:
    module = buffered(lib)
    module.mean = scale(lib)
    return [_stores(module), list(module.state_dict())]


@case
def module_takes_over_a_plain_array(lib: Any) -> Any:
    module = empty(lib)
    module.part = lib.array([1.0])
    module.part = scale(lib)
    return [_stores(module), names(module.named_modules())]


@case
def array_over_a_parameter_raises(lib: Any) -> Any:
    module = affine(lib)
    result = lib.attempt(setattr, module, "weight", lib.array([1.0, 1.0]))
    return [result, module.weight, _stores(module)]


@case
def number_or_text_over_a_parameter_raises(lib: Any) -> Any:
    module = affine(lib)
    return [lib.attempt(setattr, module, "bias", value) for value in (3.0, "x", [1.0, 2.0])]


@case
def none_over_a_parameter_keeps_its_place(lib: Any) -> Any:
    module = affine(lib)
    module.weight = None
    gone = [module.weight, names(module.named_parameters()), list(module.state_dict())]
    module.weight = lib.Parameter([6.0])
    return [gone, names(module.named_parameters()), module.weight]


@case
def array_over_a_buffer_stays_a_buffer(lib: Any) -> Any:
    module = buffered(lib)
    module.mean = lib.array([[1.0], [2.0], [3.0]])
    return [_stores(module), module.mean, list(module.state_dict())]


@case
def array_over_a_buffer_keeps_its_persistence(lib: Any) -> Any:
    module = buffered(lib)
    module.cache = lib.array([8.0])
    return [module.cache, list(module.state_dict()), names(module.named_buffers())]


@case
def buffer_takes_none_and_an_array_again(lib: Any) -> Any:
    module = buffered(lib)
    module.mean = None
    gone = [module.mean, names(module.named_buffers()), list(module.state_dict())]
    module.mean = lib.array([4.0])
    return [gone, names(module.named_buffers()), module.mean]


@case
def text_or_number_over_a_buffer_raises(lib: Any) -> Any:
    module = buffered(lib)
    return [lib.attempt(setattr, module, "mean", value) for value in ("x", 1.0, [1.0, 2.0])]


@case
def none_over_a_module_keeps_its_place(lib: Any) -> Any:
    module = empty(lib)
    module.a, module.b = scale(lib), scale(lib, 3.0)
    module.a = None
    gone = [module.a, names(module.named_children()), names(module.named_parameters())]
    module.a = scale(lib, 5.0)
    return [gone, names(module.named_children())]


@case
def number_or_array_over_a_module_raises(lib: Any) -> Any:
    module = empty(lib)
    module.part = scale(lib)
    values = (3, "part", lib.array([1.0]))
    return [[lib.attempt(setattr, module, "part", v) for v in values], _stores(module)]


@case
def plain_array_is_no_state(lib: Any) -> Any:
    module = empty(lib)
    module.table = lib.array([1.0, 2.0])
    return [_stores(module), list(module.state_dict()), names(module.named_buffers()), module.table]


@case
def buffer_object_registers(lib: Any) -> Any:
    module = empty(lib)
    module.mean = lib.Buffer(lib.array([1.0]))
    module.cache = lib.Buffer(lib.array([2.0]), persistent=False)
    return [_stores(module), list(module.state_dict()), module.mean, module.cache]


@case
def buffer_object_changes_persistence(lib: Any) -> Any:
    module = buffered(lib)
    module.mean = lib.Buffer(lib.array([5.0]), persistent=False)
    module.cache = lib.Buffer(lib.array([6.0]))
    return [list(module.state_dict()), names(module.named_buffers()), module.mean]


@case
def buffer_object_over_a_parameter_or_a_module_raises(lib: Any) -> Any:
    module = affine(lib)
    module.part = scale(lib)
    buffer = lib.Buffer(lib.array([1.0]))
    return [lib.attempt(setattr, module, name, buffer) for name in ("weight", "part")]


@case(
    differs="in torch a Parameter takes over a plain attribute but a Buffer does not; here both do",
    ours=[
        None,
        {"parameters": [], "buffers": ["table"], "modules": [], "plain": ["training"]},
    ],
)
def buffer_object_over_a_plain_attribute(lib: Any) -> Any:
    module = empty(lib)
    module.table = 3
    result = lib.attempt(setattr, module, "table", lib.Buffer(lib.array([1.0])))
    return [result, _stores(module)]


@case
def before_init_parameters_modules_and_buffers_raise(lib: Any) -> Any:
    class Late(lib.Module):
        def __init__(self, value: Any) -> None:
            self.part = value
            super().__init__()

    class LateBuffer(lib.Module):
        def __init__(self) -> None:
            self.register_buffer("mean", lib.array([1.0]))

    class LateParameter(lib.Module):
        def __init__(self) -> None:
            self.register_parameter("weight", lib.Parameter([1.0]))

    values = (lib.Parameter([1.0]), empty(lib), lib.Buffer(lib.array([1.0])))
    late = [lib.attempt(Late, value) for value in values]
    return [late, lib.attempt(LateBuffer), lib.attempt(LateParameter)]


@case
def before_init_plain_values_are_kept(lib: Any) -> Any:
    class Early(lib.Module):
        def __init__(self) -> None:
            self.size = 3
            self.table = lib.array([1.0])
            super().__init__()

    module = Early()
    return [module.size, module.table, _stores(module)]


@case
def before_init_reading_raises(lib: Any) -> Any:
    class Early(lib.Module):
        def __init__(self) -> None:
            self.found = lib.attempt(getattr, self, "weight")
            super().__init__()

    return Early().found


@case
def missing_attribute_names_class_and_attribute(lib: Any) -> Any:
    module = affine(lib)
    return [
        lib.attempt(lambda: module.weigth),
        lib.error_tells(lambda: module.weigth, "Affine", "weigth"),
        hasattr(module, "weight"),
        hasattr(module, "weigth"),
        getattr(module, "weigth", "default"),
    ]


@case
def property_that_fails_raises_attribute_error(lib: Any) -> Any:
    class Derived(lib.Module):
        @property
        def area(self) -> Any:
            return self.width * 2

    return lib.attempt(lambda: Derived().area)


@case
def property_with_a_setter_is_called(lib: Any) -> Any:
    class Clamped(lib.Module):
        @property
        def rate(self) -> float:
            return self.kept

        @rate.setter
        def rate(self, value: float) -> None:
            self.kept = min(value, 1.0)

    module = Clamped()
    module.rate = 5.0
    return [module.rate, _stores(module)]


@case
def class_attribute_hides_no_parameter(lib: Any) -> Any:
    class Declared(lib.Module):
        weight = None

        def __init__(self) -> None:
            super().__init__()
            self.weight = lib.Parameter([1.0])

    return lib.attempt(Declared)


@case(
    differs="torch keeps such a list and trains nothing in it; gradion refuses it at once",
    ours=[{"raises": ["TypeError"]}, []],
)
def list_of_modules_is_not_registered(lib: Any) -> Any:
    module = empty(lib)
    return [lib.attempt(setattr, module, "parts", [scale(lib)]), names(module.named_parameters())]


@case
def register_parameter_checks_names(lib: Any) -> Any:
    module = affine(lib)
    module.part, module.rate = scale(lib), 0.1
    bad = ("", "a.b", "part", "rate", "forward", "training", "parameters")
    checked = {name: lib.attempt(module.register_parameter, name, None) for name in bad}
    return [checked, lib.attempt(module.register_parameter, 3, None), _stores(module)]


@case
def register_parameter_takes_parameters_and_none(lib: Any) -> Any:
    module = empty(lib)
    module.register_parameter("a", lib.Parameter([1.0]))
    module.register_parameter("b", None)
    module.register_parameter("a", lib.Parameter([2.0]))
    bad = [
        lib.attempt(module.register_parameter, "c", value)
        for value in (lib.array([1.0]), 1.0, "x", empty(lib))
    ]
    return [bad, _stores(module), names(module.named_parameters()), module.a, module.b]


@case
def register_buffer_checks_names(lib: Any) -> Any:
    module = affine(lib)
    module.part, module.rate = scale(lib), 0.1
    array = lib.array([1.0])
    bad = ("", "a.b", "part", "rate", "weight", "buffers")
    checked = {name: lib.attempt(module.register_buffer, name, array) for name in bad}
    return [checked, lib.attempt(module.register_buffer, 3, array), _stores(module)]


@case
def register_buffer_takes_arrays_and_none(lib: Any) -> Any:
    module = empty(lib)
    module.register_buffer("a", lib.array([1.0]))
    module.register_buffer("b", None)
    bad = [lib.attempt(module.register_buffer, "c", v) for v in ([1.0], 1.0, "x", empty(lib))]
    return [bad, _stores(module), names(module.named_buffers())]


@case
def register_buffer_again_changes_persistence(lib: Any) -> Any:
    module = buffered(lib)
    module.register_buffer("mean", lib.array([5.0]), persistent=False)
    first = list(module.state_dict())
    module.register_buffer("cache", lib.array([6.0]), persistent=True)
    return [first, list(module.state_dict()), names(module.named_buffers())]


@case
def add_module_checks_names(lib: Any) -> Any:
    module = affine(lib)
    module.register_buffer("mean", lib.array([1.0]))
    module.rate = 0.1
    bad = ("", "a.b", "weight", "mean", "rate", "eval")
    checked = {name: lib.attempt(module.add_module, name, empty(lib)) for name in bad}
    return [checked, lib.attempt(module.add_module, 3, empty(lib)), _stores(module)]


@case
def add_module_takes_modules_and_none(lib: Any) -> Any:
    module = empty(lib)
    module.add_module("a", scale(lib))
    module.add_module("b", None)
    module.register_module("c", scale(lib, 3.0))
    bad = [lib.attempt(module.add_module, "d", v) for v in (3, lib.array([1.0]), lib.Module)]
    return [bad, _stores(module), names(module.named_children()), module.b]


@case
def delete_parameter_buffer_and_module(lib: Any) -> Any:
    module = buffered(lib)
    module.part = scale(lib)
    del module.weight
    del module.mean
    del module.part
    gone = [hasattr(module, name) for name in ("weight", "mean", "part")]
    return [gone, _stores(module), list(module.state_dict())]


@case
def delete_twice_raises(lib: Any) -> Any:
    module = affine(lib)
    module.rate = 0.1
    outcomes = []
    for name in ("weight", "rate", "nothing"):
        outcomes += [lib.attempt(delattr, module, name), lib.attempt(delattr, module, name)]
    return outcomes


@case
def deleted_buffer_forgets_its_persistence(lib: Any) -> Any:
    module = buffered(lib)
    del module.cache
    module.register_buffer("cache", lib.array([1.0]))
    return list(module.state_dict())


@case
def deleted_name_may_change_its_kind(lib: Any) -> Any:
    module = affine(lib)
    del module.weight
    module.weight = lib.array([9.0])
    return [_stores(module), module.weight, names(module.named_parameters())]


@case
def dir_shows_registered_names(lib: Any) -> Any:
    module = buffered(lib)
    module.part, module.rate = scale(lib), 0.1
    asked = ("mean", "cache", "weight", "part", "rate", "named_parameters", "nothing")
    return {name: name in dir(module) for name in asked}


@case
def dir_hides_numbers(lib: Any) -> Any:
    module = empty(lib)
    module.add_module("0", scale(lib))
    module.add_module("zero", scale(lib))
    return [[name in dir(module) for name in ("0", "zero")], names(module.named_children())]


@case
def one_parameter_under_two_names(lib: Any) -> Any:
    module = empty(lib)
    module.a = lib.Parameter([1.0, 2.0])
    module.b = module.get_parameter("a")
    lib.set_value(module.get_parameter("b"), [5.0, 6.0])
    return [module.a, names(module.named_parameters()), list(module.state_dict())]


@case
def setattr_of_a_module_checks_no_name(lib: Any) -> Any:
    module = empty(lib)
    return [lib.attempt(setattr, module, "a.b", scale(lib)), list(module._modules)]


@case
def setattr_of_a_parameter_checks_the_name(lib: Any) -> Any:
    module = empty(lib)
    new = lib.Parameter([1.0])
    bad = [lib.attempt(setattr, module, name, new) for name in ("a.b", "", "parameters")]
    return [bad, _stores(module)]


@case
def forward_that_is_missing(lib: Any) -> Any:
    return lib.attempt(empty(lib), lib.array([1.0]))


@case
def call_passes_all_arguments(lib: Any) -> Any:
    class Sum(lib.Module):
        def forward(self, a: Any, *rest: Any, factor: float = 1.0, **more: Any) -> Any:
            return [(a + sum(rest)) * factor, sorted(more)]

    return Sum()(lib.array([1.0]), lib.array([2.0]), 3.0, factor=2.0, z=1, y=2)


@case
def forward_may_be_an_attribute(lib: Any) -> Any:
    module = empty(lib)
    module.forward = lambda x: x + 1.0
    return module(lib.array([1.0, 2.0]))


@case
def init_takes_no_arguments(lib: Any) -> Any:
    return [lib.attempt(lib.Module, 3), lib.attempt(lib.Module, size=3), lib.attempt(lib.Module)]


@case
def forward_may_write_buffers_and_attributes(lib: Any) -> Any:
    class Counter(lib.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("count", lib.array(0, lib.int64))
            self.last = None

        def forward(self, x: Any) -> Any:
            self.count = self.count + 1
            self.last = x
            return x * 2

    module = Counter()
    module(lib.array([1.0]))
    module(lib.array([3.0]))
    return [module.count, module.last, names(module.named_buffers())]
