"""Modules whose Parameters get their shape from the first input."""

from __future__ import annotations

import copy
from typing import Any

from module_cases.case import case
from module_cases.parts import names


def _gain(lib: Any) -> Any:
    """One factor for each entry of the input, all 2 at first."""

    class LazyGain(lib.LazyModule):
        def __init__(self) -> None:
            super().__init__()
            self.weight = lib.uninitialized()

        def initialize_parameters(self, x: Any) -> None:
            if self.has_uninitialized_params():
                lib.materialize(self.get_parameter("weight"), [2.0] * len(x))

        def forward(self, x: Any) -> Any:
            return self.weight * x

    return LazyGain()


@case
def first_call_gives_the_shape(lib: Any) -> Any:
    module = _gain(lib)
    before = lib.is_uninitialized(module.get_parameter("weight"))
    result = module(lib.array([1.0, 2.0, 3.0]))
    return [before, result, lib.is_uninitialized(module.get_parameter("weight")), module.weight]


@case
def has_uninitialized_params_changes(lib: Any) -> Any:
    module = _gain(lib)
    before = module.has_uninitialized_params()
    module(lib.array([1.0]))
    return [before, module.has_uninitialized_params()]


@case
def parameter_object_stays(lib: Any) -> Any:
    module = _gain(lib)
    parameter = module.get_parameter("weight")
    module(lib.array([1.0]))
    return [module.get_parameter("weight") is parameter, names(module.named_parameters())]


@case
def second_shape_is_refused(lib: Any) -> Any:
    module = _gain(lib)
    module(lib.array([1.0, 2.0]))
    # The error is the array library's own.
    return ["raises" in lib.plain(lib.attempt(module, lib.array([1.0, 2.0, 3.0]))), module.weight]


@case
def shape_of_an_uninitialized_parameter_raises(lib: Any) -> Any:
    module = _gain(lib)
    return lib.attempt(lambda: list(module.get_parameter("weight").shape))


@case
def arithmetic_with_an_uninitialized_parameter_raises(lib: Any) -> Any:
    module = _gain(lib)
    return [
        lib.attempt(lambda: module.weight * 2.0),
        lib.attempt(lambda: 2.0 + module.weight),
        lib.attempt(lambda: lib.exp(module.weight)),
    ]


@case
def module_without_initialize_parameters(lib: Any) -> Any:
    def make_and_call() -> Any:
        class Forgetful(lib.LazyModule):
            def __init__(self) -> None:
                super().__init__()
                self.weight = lib.uninitialized()

            def forward(self, x: Any) -> Any:
                return x

        return Forgetful()(lib.array([1.0]))

    return "raises" in lib.plain(lib.attempt(make_and_call))


@case
def parameter_left_uninitialized_raises(lib: Any) -> Any:
    class Half(lib.LazyModule):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = lib.uninitialized(), lib.uninitialized()

        def initialize_parameters(self, x: Any) -> None:
            lib.materialize(self.get_parameter("a"), [1.0])

        def forward(self, x: Any) -> Any:
            return x

    return lib.attempt(Half(), lib.array([1.0]))


@case
def state_loaded_gives_the_shape(lib: Any) -> Any:
    source, target = _gain(lib), _gain(lib)
    source(lib.array([1.0, 2.0]))
    lib.set_value(source.get_parameter("weight"), [5.0, 6.0])
    target.load_state_dict(source.state_dict())
    return [target.has_uninitialized_params(), target.weight, target(lib.array([1.0, 1.0]))]


@case
def deepcopy_stays_lazy(lib: Any) -> Any:
    module = _gain(lib)
    copied = copy.deepcopy(module)
    copied(lib.array([1.0, 2.0]))
    first = module.has_uninitialized_params()
    module(lib.array([1.0, 2.0, 3.0]))
    return [first, copied.weight, module.weight]


@case
def class_changes_after_the_first_call(lib: Any) -> Any:
    module = lib.LazyLinear(3)
    before = type(module).__name__
    result = module(lib.array([[1.0, 2.0]], lib.float32))
    return [
        before,
        type(module).__name__,
        isinstance(module, type(lib.Linear(2, 3))),
        list(result.shape),
        {name: list(p.shape) for name, p in module.named_parameters()},
        [module.in_features, module.out_features],
    ]


@case
def lazy_part_of_a_tree(lib: Any) -> Any:
    root = lib.Sequential(lib.LazyLinear(4), lib.relu(), lib.LazyLinear(2))
    root(lib.array([[1.0, 2.0, 3.0]], lib.float32))
    return {name: list(p.shape) for name, p in root.named_parameters()}


@case
def hooks_of_the_user_stay(lib: Any) -> Any:
    module, log = _gain(lib), []
    module.register_forward_pre_hook(lambda m, args: log.append(m.has_uninitialized_params()))
    module(lib.array([1.0]))
    module(lib.array([1.0]))
    return log


@case
def conversion_before_the_first_call(lib: Any) -> Any:
    module = _gain(lib).to(lib.float32)
    module(lib.array([1.0, 2.0], lib.float32))
    return [lib.dtype(module.get_parameter("weight")), module.weight]
