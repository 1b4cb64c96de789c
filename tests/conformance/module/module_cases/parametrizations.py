"""Parameters that are expressed through others."""

from __future__ import annotations

import copy
from typing import Any

from module_cases.case import case
from module_cases.parts import affine, buffered, empty, names, scale


def _exponential(lib: Any) -> Any:
    class Exponential(lib.Module):
        def forward(self, x: Any) -> Any:
            return lib.exp(x)

        def right_inverse(self, y: Any) -> Any:
            return lib.log(y)

    return Exponential()


def _doubled(lib: Any) -> Any:
    """No right inverse."""

    class Doubled(lib.Module):
        def forward(self, x: Any) -> Any:
            return 2.0 * x

    return Doubled()


def _scaled(lib: Any) -> Any:
    class Scaled(lib.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = lib.Parameter([10.0, 10.0])

        def forward(self, x: Any) -> Any:
            return self.gain * x

        def right_inverse(self, y: Any) -> Any:
            return y / self.gain

    return Scaled()


def _of_two(lib: Any) -> Any:
    """Sum of two originals."""

    class OfTwo(lib.Module):
        def forward(self, one: Any, two: Any) -> Any:
            return one + two

        def right_inverse(self, y: Any) -> Any:
            return 0.25 * y, 0.75 * y

    return OfTwo()


@case
def value_goes_through_the_parametrization(lib: Any) -> Any:
    module = affine(lib, weight=(3.0, 4.0))
    lib.parametrize.register_parametrization(module, "weight", _doubled(lib))
    original = module.get_parameter("parametrizations.weight.original")
    return [module.weight, lib.value(original), module(lib.array([1.0, 1.0]))]


@case
def names_after_registration(lib: Any) -> Any:
    module = affine(lib)
    result = lib.parametrize.register_parametrization(module, "weight", _scaled(lib))
    return [result is module, names(module.named_parameters()), list(module.state_dict())]


@case
def right_inverse_keeps_the_value(lib: Any) -> Any:
    module = affine(lib, weight=(3.0, 4.0))
    lib.parametrize.register_parametrization(module, "weight", _exponential(lib))
    return [module.weight, module.parametrizations.weight.original]


@case
def parameter_object_becomes_the_original(lib: Any) -> Any:
    module = affine(lib)
    parameter = module.get_parameter("weight")
    lib.parametrize.register_parametrization(module, "weight", _doubled(lib))
    return module.get_parameter("parametrizations.weight.original") is parameter


@case
def assignment_goes_through_the_right_inverse(lib: Any) -> Any:
    module = affine(lib)
    lib.parametrize.register_parametrization(module, "weight", _exponential(lib))
    module.weight = lib.array([5.0, 6.0])
    return [module.weight, module.parametrizations.weight.original]


@case
def assignment_without_a_right_inverse_raises(lib: Any) -> Any:
    module = affine(lib)
    lib.parametrize.register_parametrization(module, "weight", _doubled(lib))
    return [lib.attempt(setattr, module, "weight", lib.array([5.0, 6.0])), module.weight]


@case
def chain_of_two(lib: Any) -> Any:
    module = affine(lib, weight=(3.0, 4.0))
    lib.parametrize.register_parametrization(module, "weight", _exponential(lib))
    lib.parametrize.register_parametrization(module, "weight", _scaled(lib))
    first = [lib.value(module.weight), names(module.named_parameters())]
    module.weight = lib.array([50.0, 60.0])
    return [first, module.weight, module.parametrizations.weight.original]


@case
def two_originals(lib: Any) -> Any:
    module = affine(lib, weight=(4.0, 8.0))
    lib.parametrize.register_parametrization(module, "weight", _of_two(lib))
    first = [lib.value(module.weight), names(module.named_parameters())]
    module.weight = lib.array([40.0, 80.0])
    return [first, module.parametrizations.weight.original1]


@case
def gradient_reaches_the_original(lib: Any) -> Any:
    module = affine(lib, weight=(3.0, 4.0))
    lib.parametrize.register_parametrization(module, "weight", _exponential(lib))
    lib.backward(lambda m, x: (m(x) ** 2).sum(), module, lib.array([1.0, 2.0]))
    return {name: lib.value(p.grad) for name, p in module.named_parameters()}


@case
def is_parametrized(lib: Any) -> Any:
    module = affine(lib)
    check = lib.parametrize.is_parametrized
    before = [check(module), check(module, "weight")]
    lib.parametrize.register_parametrization(module, "weight", _doubled(lib))
    return [before, check(module), check(module, "weight"), check(module, "bias")]


@case
def removal_keeps_the_value(lib: Any) -> Any:
    module = affine(lib, weight=(3.0, 4.0))
    lib.parametrize.register_parametrization(module, "weight", _doubled(lib))
    result = lib.parametrize.remove_parametrizations(module, "weight")
    return [
        result is module,
        module.weight,
        names(module.named_parameters()),
        lib.parametrize.is_parametrized(module),
        hasattr(module, "parametrizations"),
    ]


@case
def removal_back_to_the_original(lib: Any) -> Any:
    module = affine(lib, weight=(3.0, 4.0))
    lib.parametrize.register_parametrization(module, "weight", _doubled(lib))
    lib.parametrize.remove_parametrizations(module, "weight", leave_parametrized=False)
    return [module.weight, lib.is_parameter(module.get_parameter("weight"))]


@case
def removal_of_two_originals(lib: Any) -> Any:
    module = affine(lib, weight=(4.0, 8.0))
    lib.parametrize.register_parametrization(module, "weight", _of_two(lib))
    back = lib.attempt(
        lib.parametrize.remove_parametrizations, module, "weight", leave_parametrized=False
    )
    lib.parametrize.remove_parametrizations(module, "weight")
    return [back, module.weight, names(module.named_parameters())]


@case
def removal_of_one_leaves_the_other(lib: Any) -> Any:
    module = affine(lib)
    lib.parametrize.register_parametrization(module, "weight", _doubled(lib))
    lib.parametrize.register_parametrization(module, "bias", _scaled(lib))
    lib.parametrize.remove_parametrizations(module, "weight")
    return [names(module.named_parameters()), module.weight, module.bias]


@case
def errors_of_registration(lib: Any) -> Any:
    module = affine(lib)
    module.rate = 0.1
    register = lib.parametrize.register_parametrization
    return {
        name: lib.attempt(register, module, name, _doubled(lib)) for name in ("none", "rate", "")
    }


@case
def errors_of_removal(lib: Any) -> Any:
    module = affine(lib)
    remove = lib.parametrize.remove_parametrizations
    before = lib.attempt(remove, module, "weight")
    lib.parametrize.register_parametrization(module, "weight", _doubled(lib))
    return [before, lib.attempt(remove, module, "bias"), lib.attempt(remove, module, "none")]


@case
def shape_that_changes_raises(lib: Any) -> Any:
    class Stacked(lib.Module):
        def forward(self, x: Any) -> Any:
            return lib.stack([x, x])

    module = affine(lib)
    result = lib.attempt(lib.parametrize.register_parametrization, module, "weight", Stacked())
    return [result, names(module.named_parameters()), module.weight]


@case
def shape_that_changes_is_allowed_if_unsafe(lib: Any) -> Any:
    class Stacked(lib.Module):
        def forward(self, x: Any) -> Any:
            return lib.stack([x, x])

    module = affine(lib)
    lib.parametrize.register_parametrization(module, "weight", Stacked(), unsafe=True)
    return module.weight


@case
def dtype_that_changes_raises(lib: Any) -> Any:
    class Single(lib.Module):
        def forward(self, x: Any) -> Any:
            return lib.cast(x, lib.float32)

    module = affine(lib)
    return lib.attempt(lib.parametrize.register_parametrization, module, "weight", Single())


@case
def right_inverse_of_a_wrong_shape_raises(lib: Any) -> Any:
    class Wrong(lib.Module):
        def forward(self, x: Any) -> Any:
            return x[:2]

        def right_inverse(self, y: Any) -> Any:
            return lib.stack([y[0], y[1], y[0]])

    module = affine(lib)
    result = lib.attempt(lib.parametrize.register_parametrization, module, "weight", Wrong())
    return [result, names(module.named_parameters())]


@case
def buffer_is_parametrized(lib: Any) -> Any:
    module = buffered(lib)
    lib.parametrize.register_parametrization(module, "mean", _doubled(lib))
    return [module.mean, names(module.named_buffers()), names(module.named_parameters())]


@case
def state_round_trip(lib: Any) -> Any:
    source, target = affine(lib, weight=(3.0, 4.0)), affine(lib)
    for module in (source, target):
        lib.parametrize.register_parametrization(module, "weight", _exponential(lib))
    result = target.load_state_dict(source.state_dict())
    return [result, target.weight]


@case
def plain_state_does_not_fit(lib: Any) -> Any:
    module = affine(lib)
    plain = module.state_dict()
    lib.parametrize.register_parametrization(module, "weight", _doubled(lib))
    strict = lib.attempt(module.load_state_dict, plain)
    return [strict, module.load_state_dict(plain, strict=False)]


@case
def deepcopy_of_a_parametrized_module(lib: Any) -> Any:
    module = affine(lib, weight=(3.0, 4.0))
    lib.parametrize.register_parametrization(module, "weight", _exponential(lib))
    copied = copy.deepcopy(module)
    copied.weight = lib.array([7.0, 8.0])
    return [module.weight, copied.weight, names(copied.named_parameters())]


@case
def other_instances_are_left_alone(lib: Any) -> Any:
    class Gain(lib.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = lib.Parameter([1.0])

    one, other = Gain(), Gain()
    lib.parametrize.register_parametrization(one, "weight", _doubled(lib))
    return [one.weight, other.weight, names(other.named_parameters()), isinstance(one, Gain)]


@case
def cached_value_is_computed_once(lib: Any) -> Any:
    calls: list[int] = []

    class Counted(lib.Module):
        def forward(self, x: Any) -> Any:
            calls.append(1)
            return 2.0 * x

    module = affine(lib)
    lib.parametrize.register_parametrization(module, "weight", Counted(), unsafe=True)
    calls.clear()
    values = [lib.value(module.weight), lib.value(module.weight)]
    plain = len(calls)
    with lib.parametrize.cached():
        values += [lib.value(module.weight), lib.value(module.weight)]
    return [plain, len(calls) - plain, values]


@case
def shared_parametrization(lib: Any) -> Any:
    root, gain = empty(lib), _scaled(lib)
    root.a, root.b = affine(lib), affine(lib)
    for module in (root.a, root.b):
        lib.parametrize.register_parametrization(module, "weight", gain)
    lib.set_value(gain.get_parameter("gain"), [1.0, 1.0])
    return [root.a.weight, root.b.weight, names(root.named_parameters())]


@case
def parameter_of_the_module_shows_in_dir(lib: Any) -> Any:
    module = affine(lib)
    lib.parametrize.register_parametrization(module, "weight", _doubled(lib))
    return ["weight" in module._parameters, "parametrizations" in dict(module.named_children())]


@case
def modes_reach_parametrizations(lib: Any) -> Any:
    module = scale(lib)
    lib.parametrize.register_parametrization(module, "weight", _doubled(lib))
    module.eval().requires_grad_(False)
    return [
        {name: part.training for name, part in module.named_modules()},
        [lib.trainable(p) for p in module.parameters()],
    ]
