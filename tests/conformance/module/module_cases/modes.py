"""Modes, gradients, apply, conversion."""

from __future__ import annotations

from typing import Any

from module_cases.case import case
from module_cases.parts import affine, buffered, empty, names, scale, tree


def _modes(root: Any) -> dict[str, bool]:
    return {name: module.training for name, module in root.named_modules()}


def _dtypes(lib: Any, root: Any) -> dict[str, str]:
    entries = [*root.named_parameters(), *root.named_buffers()]
    return {name: lib.dtype(entry) for name, entry in entries}


def _sum_of_square(lib: Any) -> Any:
    return lambda module, x: ((module(x) - 1.0) ** 2).sum()


@case
def train_and_eval_reach_all_below(lib: Any) -> Any:
    root = tree(lib)
    start = _modes(root)
    same = root.eval() is root
    off = _modes(root)
    root.train()
    return [start, same, off, _modes(root)]


@case
def train_false_on_a_part(lib: Any) -> Any:
    root = tree(lib)
    same = root.left.train(False) is root.left
    return [same, _modes(root)]


@case
def train_takes_a_bool_only(lib: Any) -> Any:
    root = tree(lib)
    bad = [lib.attempt(root.train, value) for value in ("x", 1, 0, None)]
    return [bad, _modes(root)]


@case
def eval_that_a_subclass_overrides(lib: Any) -> Any:
    class Stubborn(lib.Module):
        def train(self, mode: bool = True) -> Any:
            return super().train(True)

    root = empty(lib)
    root.a, root.b = Stubborn(), scale(lib)
    root.eval()
    return _modes(root)


@case
def module_added_after_eval_is_in_training(lib: Any) -> Any:
    root = empty(lib).eval()
    root.late = scale(lib)
    return _modes(root)


@case
def training_is_a_plain_attribute(lib: Any) -> Any:
    root = tree(lib)
    root.training = False
    return [_modes(root), "training" in vars(root)]


@case
def requires_grad_reaches_all_below(lib: Any) -> Any:
    root = tree(lib)
    same = root.requires_grad_(False) is root
    off = [lib.trainable(p) for p in root.parameters()]
    root.left.requires_grad_()
    on = {name: lib.trainable(p) for name, p in root.named_parameters()}
    return [same, off, on]


@case
def frozen_parameter_gets_no_gradient(lib: Any) -> Any:
    module = affine(lib)
    lib.set_trainable(module.get_parameter("bias"), False)
    lib.backward(_sum_of_square(lib), module, lib.array([1.0, 2.0]))
    return {name: lib.plain(p.grad) for name, p in module.named_parameters()}


@case
def parameter_made_frozen(lib: Any) -> Any:
    module = empty(lib)
    module.a = lib.Parameter([1.0], trainable=False)
    module.b = lib.Parameter([2.0])
    return {name: lib.trainable(p) for name, p in module.named_parameters()}


@case
def backward_fills_grad(lib: Any) -> Any:
    root = empty(lib)
    root.a, root.b = affine(lib), scale(lib, 3.0)
    type(root).forward = lambda self, x: self.b(self.a(x))
    before = [p.grad for p in root.parameters()]
    lib.backward(_sum_of_square(lib), root, lib.array([1.0, -2.0]))
    return [before, {name: lib.value(p.grad) for name, p in root.named_parameters()}]


@case
def backward_adds_to_grad(lib: Any) -> Any:
    module = affine(lib)
    for x in ([1.0, 2.0], [3.0, -1.0]):
        lib.backward(_sum_of_square(lib), module, lib.array(x))
    return [lib.value(p.grad) for p in module.parameters()]


@case
def backward_of_a_shared_parameter_sums(lib: Any) -> Any:
    root = empty(lib)
    root.a, root.b = scale(lib, 3.0), scale(lib, 4.0)
    root.b.weight = root.a.get_parameter("weight")
    type(root).forward = lambda self, x: self.b(self.a(x))
    lib.backward(lambda module, x: module(x).sum(), root, lib.array([1.0, 2.0]))
    return [names(root.named_parameters()), lib.value(root.get_parameter("b.weight").grad)]


@case(
    differs="JAX gives zeros where a loss does not depend on an input, and so does backward",
    ours={"used.weight": [1.0, 2.0], "used.bias": [1.0, 1.0], "unused.weight": 0.0},
)
def gradient_of_what_the_loss_does_not_use(lib: Any) -> Any:
    root = empty(lib)
    root.used, root.unused = affine(lib), scale(lib)
    lib.backward(lambda root, x: root.used(x).sum(), root, lib.array([1.0, 2.0]))
    return {name: lib.plain(p.grad) for name, p in root.named_parameters()}


@case
def zero_grad_clears(lib: Any) -> Any:
    module = affine(lib)
    lib.backward(_sum_of_square(lib), module, lib.array([1.0, 2.0]))
    result = module.zero_grad()
    return [result, [p.grad for p in module.parameters()]]


@case
def zero_grad_with_zeros(lib: Any) -> Any:
    root = empty(lib)
    root.used, root.unused = affine(lib), scale(lib)
    lib.backward(lambda root, x: root.used(x).sum(), root, lib.array([1.0, 2.0]))
    root.unused.zero_grad()
    root.zero_grad(set_to_none=False)
    return [lib.plain(p.grad) for p in root.parameters()]


@case
def zero_grad_of_a_part(lib: Any) -> Any:
    root = empty(lib)
    root.a, root.b = affine(lib), scale(lib, 3.0)
    type(root).forward = lambda self, x: self.b(self.a(x))
    lib.backward(_sum_of_square(lib), root, lib.array([1.0, 2.0]))
    root.a.zero_grad()
    return {name: lib.plain(p.grad) for name, p in root.named_parameters()}


@case
def grad_may_be_set_and_cleared_by_hand(lib: Any) -> Any:
    parameter = affine(lib).get_parameter("weight")
    parameter.grad = lib.array([1.0, 2.0])
    kept = lib.value(parameter.grad)
    parameter.grad = None
    return [kept, parameter.grad, lib.attempt(setattr, parameter, "grad", lib.array([1.0]))]


@case
def apply_visits_children_first(lib: Any) -> Any:
    root, seen = tree(lib), []
    same = root.apply(lambda module: seen.append(type(module).__name__)) is root
    return [seen, same]


@case
def apply_visits_a_shared_module_once_a_parent(lib: Any) -> Any:
    root, seen = empty(lib), []
    root.a = scale(lib)
    root.b = root.a
    root.c = empty(lib)
    root.c.inner = root.a
    root.apply(lambda module: seen.append(type(module).__name__))
    return seen


@case
def apply_may_set_values(lib: Any) -> Any:
    root = tree(lib)

    def fill(module: Any) -> None:
        for parameter in module.parameters(recurse=False):
            lib.set_value(parameter, [0.5] * len(lib.value(parameter)))

    root.right.weight = lib.Parameter([3.0])
    root.apply(fill)
    return [lib.value(p) for p in root.parameters()]


@case
def apply_lets_an_error_out(lib: Any) -> Any:
    def fail(module: Any) -> None:
        raise ZeroDivisionError(type(module).__name__)

    return [lib.attempt(tree(lib).apply, fail), lib.attempt(tree(lib).apply, 3)]


@case
def to_dtype_converts_floating_entries(lib: Any) -> Any:
    root = tree(lib)
    same = root.to(lib.float32) is root
    return [same, _dtypes(lib, root), [lib.value(p) for p in root.parameters()]]


@case
def to_dtype_keeps_parameter_objects(lib: Any) -> Any:
    root = tree(lib)
    before = list(root.parameters())
    root.to(lib.float32)
    return [a is b for a, b in zip(before, root.parameters(), strict=True)]


@case
def to_dtype_keeps_sharing(lib: Any) -> Any:
    root = empty(lib)
    root.a, root.b = scale(lib, 3.0), scale(lib, 4.0)
    root.b.weight = root.a.get_parameter("weight")
    root.to(lib.float16)
    lib.set_value(root.get_parameter("a.weight"), 8.0)
    return [root.b.weight, _dtypes(lib, root), len(list(root.parameters()))]


@case
def to_integer_dtype_raises(lib: Any) -> Any:
    module = affine(lib)
    outcomes = [lib.attempt(module.to, dtype) for dtype in (lib.int32, lib.int64)]
    return [outcomes, _dtypes(lib, module)]


@case
def to_by_keyword(lib: Any) -> Any:
    module = buffered(lib)
    return [module.to(dtype=lib.float32) is module, _dtypes(lib, module)]


@case
def to_something_unknown_raises(lib: Any) -> Any:
    module = affine(lib)
    return [lib.attempt(module.to, target) for target in (object(), [lib.float32], {})]


@case
def to_an_array_takes_its_dtype(lib: Any) -> Any:
    module = buffered(lib)
    module.to(lib.array([0.0], lib.float32))
    return _dtypes(lib, module)


@case
def to_converts_grad_along(lib: Any) -> Any:
    module = affine(lib)
    lib.backward(_sum_of_square(lib), module, lib.array([1.0, 2.0]))
    module.to(lib.float32)
    return [[lib.dtype(p.grad), lib.value(p.grad)] for p in module.parameters()]


@case
def to_leaves_plain_arrays_and_none(lib: Any) -> Any:
    module = buffered(lib)
    module.table = lib.array([1.0])
    module.register_parameter("nothing", None)
    module.register_buffer("none", None)
    module.to(lib.float32)
    return [lib.dtype(module.table), module.nothing, module.none, _dtypes(lib, module)]


@case
def to_keeps_trainability_and_mode(lib: Any) -> Any:
    root = tree(lib).eval()
    root.left.requires_grad_(False)
    root.to(lib.float32)
    return [{name: lib.trainable(p) for name, p in root.named_parameters()}, _modes(root)]


@case
def half_bfloat16_float_double(lib: Any) -> Any:
    module = buffered(lib)
    found = []
    for convert in (module.half, module.bfloat16, module.float, module.double):
        found.append([convert() is module, _dtypes(lib, module)])
    return found


@case
def half_rounds_values(lib: Any) -> Any:
    module = affine(lib, weight=(1.0 / 3.0, 1234.5678))
    module.half().double()
    return module.weight


@case
def type_converts_all_buffers_too(lib: Any) -> Any:
    module = buffered(lib)
    same = module.type(lib.float32) is module
    return [same, _dtypes(lib, module), module.count]


@case
def type_to_integers_with_parameters_raises(lib: Any) -> Any:
    return lib.attempt(buffered(lib).type, lib.int32)


@case
def cpu_returns_the_module(lib: Any) -> Any:
    module = buffered(lib)
    return [module.cpu() is module, module.mean, _dtypes(lib, module)]


@case
def cuda_without_a_device_raises(lib: Any) -> Any:
    # Which error torch raises depends on how it was built.
    module = affine(lib)
    return ["raises" in lib.attempt(module.cuda, 1000), module.weight]


@case
def conversion_reaches_later_calls(lib: Any) -> Any:
    module = affine(lib).float()
    return [lib.dtype(module(lib.array([1.0, 2.0], lib.float32))), module.weight]
