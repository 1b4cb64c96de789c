"""Full backward and backward-pre hooks, of one Module and of all."""

from __future__ import annotations

from typing import Any

from module_cases.case import case
from module_cases.parts import affine, empty, scale


def _chain(lib: Any) -> Any:
    """b(a(x)) with a(x) = 2 x and b(x) = 3 x."""
    root = empty(lib)
    root.a, root.b = scale(lib, 2.0), scale(lib, 3.0)
    type(root).forward = lambda self, x: self.b(self.a(x))
    return root


def _sum(module: Any, x: Any) -> Any:
    return module(x).sum()


def _grads(lib: Any, module: Any) -> dict[str, Any]:
    return {name: lib.plain(p.grad) for name, p in module.named_parameters()}


def _noting(log: list[str], word: str) -> Any:
    def hook(*_: Any) -> None:
        log.append(word)

    return hook


def _two_inputs(lib: Any) -> Any:
    class Product(lib.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = lib.Parameter([1.0, 1.0])

        def forward(self, x: Any, y: Any, factor: Any = 1.0) -> Any:
            return self.weight * x * y * factor

    return Product()


@case
def hooks_see_the_gradients(lib: Any) -> Any:
    root, seen = _chain(lib), []
    root.b.register_full_backward_pre_hook(lambda m, out: seen.append(lib.plain(out)))
    root.b.register_full_backward_hook(lambda m, inp, out: seen.append(lib.plain([inp, out])))
    lib.backward(_sum, root, lib.array([1.0, 5.0]))
    return [seen, _grads(lib, root)]


@case
def hooks_get_tuples_and_their_module(lib: Any) -> Any:
    root, seen = _chain(lib), []

    def hook(module: Any, grad_input: Any, grad_output: Any) -> None:
        seen.append([type(module).__name__, type(grad_input).__name__, type(grad_output).__name__])

    root.b.register_full_backward_hook(hook)
    root.b.register_full_backward_pre_hook(lambda m, out: seen.append(type(out).__name__))
    lib.backward(_sum, root, lib.array([1.0]))
    return seen


@case
def backward_hook_changes_what_goes_further_back(lib: Any) -> Any:
    root = _chain(lib)
    root.b.register_full_backward_hook(lambda m, inp, out: (inp[0] * 10.0,))
    lib.backward(_sum, root, lib.array([1.0, 5.0]))
    return _grads(lib, root)


@case(
    differs="an array alone counts as a tuple of one, as it does for forward-pre hooks",
    ours=[None, {"a.weight": 180.0, "b.weight": 12.0}],
)
def backward_hook_may_return_an_array_alone(lib: Any) -> Any:
    root = _chain(lib)
    root.b.register_full_backward_hook(lambda m, inp, out: inp[0] * 10.0)
    return [lib.attempt(lib.backward, _sum, root, lib.array([1.0, 5.0])), _grads(lib, root)]


@case
def backward_pre_hook_changes_all_below(lib: Any) -> Any:
    root = _chain(lib)
    root.b.register_full_backward_pre_hook(lambda m, out: (out[0] * 10.0,))
    lib.backward(_sum, root, lib.array([1.0, 5.0]))
    return _grads(lib, root)


@case(
    differs="an array alone counts as a tuple of one, as it does for forward-pre hooks",
    ours=[None, {"a.weight": 24.0, "b.weight": 12.0}],
)
def backward_pre_hook_may_return_an_array_alone(lib: Any) -> Any:
    root = _chain(lib)
    root.a.register_full_backward_pre_hook(lambda m, out: out[0] + 1.0)
    return [lib.attempt(lib.backward, _sum, root, lib.array([1.0, 5.0])), _grads(lib, root)]


@case
def backward_hook_sees_what_a_pre_hook_made(lib: Any) -> Any:
    root, seen = _chain(lib), []
    root.b.register_full_backward_hook(lambda m, inp, out: seen.append(lib.plain([inp, out])))
    root.b.register_full_backward_pre_hook(lambda m, out: (out[0] * 10.0,))
    lib.backward(_sum, root, lib.array([1.0]))
    return seen


@case
def backward_hooks_hand_on_in_order(lib: Any) -> Any:
    root, seen = _chain(lib), []
    root.b.register_full_backward_hook(lambda m, inp, out: (inp[0] + 1.0,))
    root.b.register_full_backward_hook(lambda m, inp, out: (inp[0] * 10.0,))
    root.b.register_full_backward_hook(lambda m, inp, out: seen.append(lib.plain([inp, out])))
    lib.backward(_sum, root, lib.array([1.0]))
    return [seen, _grads(lib, root)]


@case
def backward_hooks_prepended(lib: Any) -> Any:
    root, log = _chain(lib), []
    root.b.register_full_backward_hook(_noting(log, "one"))
    root.b.register_full_backward_hook(_noting(log, "two"), prepend=True)
    root.b.register_full_backward_pre_hook(_noting(log, "pre one"))
    root.b.register_full_backward_pre_hook(_noting(log, "pre two"), prepend=True)
    lib.backward(_sum, root, lib.array([1.0]))
    return log


@case
def backward_hooks_of_a_tree_run_backwards(lib: Any) -> Any:
    root, log = _chain(lib), []
    for name in ("a", "b"):
        module = root.get_submodule(name)
        module.register_full_backward_pre_hook(_noting(log, f"pre {name}"))
        module.register_full_backward_hook(_noting(log, f"full {name}"))
    root.register_full_backward_pre_hook(_noting(log, "pre root"))
    outer = empty(lib)
    outer.first, outer.root = scale(lib, 5.0), root
    type(outer).forward = lambda self, x: self.root(self.first(x))
    root.register_full_backward_hook(_noting(log, "full root"))
    lib.backward(_sum, outer, lib.array([1.0]))
    return log


@case
def input_without_gradient_is_none(lib: Any) -> Any:
    module, seen = scale(lib, 3.0), []
    module.register_full_backward_hook(lambda m, inp, out: seen.append(lib.plain([inp, out])))
    lib.backward(_sum, module, lib.array([1.0, 5.0]))
    return [seen, _grads(lib, module)]


@case
def new_gradient_for_an_input_without_one_raises(lib: Any) -> Any:
    module = scale(lib, 3.0)
    module.register_full_backward_hook(lambda m, inp, out: (out[0],))
    return lib.attempt(lib.backward, _sum, module, lib.array([1.0, 5.0]))


@case
def one_input_of_two_has_a_gradient(lib: Any) -> Any:
    root, seen = empty(lib), []
    root.a, root.b = scale(lib, 2.0), _two_inputs(lib)
    type(root).forward = lambda self, x, y: self.b(self.a(x), y)
    root.b.register_full_backward_hook(lambda m, inp, out: seen.append(lib.plain(inp)))
    lib.backward(lambda m, x, y: m(x, y).sum(), root, lib.array([1.0, 5.0]), lib.array([3.0, 4.0]))
    return [seen, _grads(lib, root)]


@case
def both_inputs_have_gradients_and_both_change(lib: Any) -> Any:
    root, seen = empty(lib), []
    root.a, root.b, root.c = scale(lib, 2.0), scale(lib, 7.0), _two_inputs(lib)
    type(root).forward = lambda self, x: self.c(self.a(x), self.b(x))

    def hook(module: Any, grad_input: Any, grad_output: Any) -> Any:
        seen.append(lib.plain(grad_input))
        return grad_input[0] * 10.0, grad_input[1] * 100.0

    root.c.register_full_backward_hook(hook)
    lib.backward(_sum, root, lib.array([1.0, 5.0]))
    return [seen, _grads(lib, root)]


@case
def plain_numbers_among_the_args_are_none(lib: Any) -> Any:
    root, seen = empty(lib), []
    root.a, root.b = scale(lib, 2.0), _two_inputs(lib)
    type(root).forward = lambda self, x: self.b(self.a(x), 4.0, 0.5)
    root.b.register_full_backward_hook(lambda m, inp, out: seen.append(lib.plain(inp)))
    lib.backward(_sum, root, lib.array([1.0, 5.0]))
    return [seen, _grads(lib, root)]


@case
def keyword_arguments_are_not_in_grad_input(lib: Any) -> Any:
    root, seen = empty(lib), []
    root.a, root.b = scale(lib, 2.0), _two_inputs(lib)
    type(root).forward = lambda self, x: self.b(self.a(x), y=self.a(x))
    root.b.register_full_backward_hook(lambda m, inp, out: seen.append(lib.plain(inp)))
    lib.backward(_sum, root, lib.array([1.0, 5.0]))
    return [seen, _grads(lib, root)]


@case
def output_of_two_arrays(lib: Any) -> Any:
    class Two(lib.Module):
        def forward(self, x: Any) -> Any:
            return x * 2.0, x * 3.0

    root, seen = empty(lib), []
    root.a, root.b = scale(lib, 2.0), Two()
    type(root).forward = lambda self, x: self.b(self.a(x))
    root.b.register_full_backward_pre_hook(lambda m, out: seen.append(lib.plain(out)))
    root.b.register_full_backward_hook(lambda m, inp, out: seen.append(lib.plain([inp, out])))

    def loss(module: Any, x: Any) -> Any:
        one, two = module(x)
        return (one + 10.0 * two).sum()

    lib.backward(loss, root, lib.array([1.0, 5.0]))
    return [seen, _grads(lib, root)]


@case
def tuple_of_the_wrong_length_raises(lib: Any) -> Any:
    found = []
    for result in (lambda g: (g, g), lambda g: ()):
        root = _chain(lib)
        root.b.register_full_backward_hook(lambda m, inp, out, r=result: r(inp[0]))
        found.append(lib.attempt(lib.backward, _sum, root, lib.array([1.0])))
    return found


@case
def pre_hook_tuple_of_the_wrong_length_raises(lib: Any) -> Any:
    found = []
    for result in (lambda g: (g, g), lambda g: ()):
        root = _chain(lib)
        root.b.register_full_backward_pre_hook(lambda m, out, r=result: r(out[0]))
        found.append(lib.attempt(lib.backward, _sum, root, lib.array([1.0])))
    return found


@case
def backward_hook_error_is_let_out(lib: Any) -> Any:
    root = _chain(lib)

    def fail(*_: Any) -> None:
        raise ZeroDivisionError("hook")

    root.a.register_full_backward_pre_hook(fail)
    return lib.attempt(lib.backward, _sum, root, lib.array([1.0]))


@case
def backward_handles_remove(lib: Any) -> Any:
    root, log = _chain(lib), []
    pre = root.b.register_full_backward_pre_hook(_noting(log, "pre"))
    with root.b.register_full_backward_hook(_noting(log, "full")):
        lib.backward(_sum, root, lib.array([1.0]))
    lib.backward(_sum, root, lib.array([1.0]))
    pre.remove()
    lib.backward(_sum, root, lib.array([1.0]))
    return [log, _grads(lib, root)]


@case
def backward_hook_once_a_call(lib: Any) -> Any:
    root, seen = empty(lib), []
    root.a = scale(lib, 2.0)
    type(root).forward = lambda self, x: self.a(self.a(x))
    root.a.register_full_backward_hook(lambda m, inp, out: seen.append(lib.plain([inp, out])))
    lib.backward(_sum, root, lib.array([1.0, 5.0]))
    return [seen, _grads(lib, root)]


@case
def backward_hook_of_a_module_that_is_not_called(lib: Any) -> Any:
    root, log = _chain(lib), []
    root.spare = scale(lib)
    root.spare.register_full_backward_hook(_noting(log, "spare"))
    lib.backward(_sum, root, lib.array([1.0]))
    return [log, lib.value(root.get_parameter("a.weight").grad)]


@case
def forward_hooks_see_the_output_beside_backward_hooks(lib: Any) -> Any:
    root, seen = _chain(lib), []
    root.b.register_forward_hook(lambda m, args, output: output * 10.0)
    root.b.register_full_backward_hook(lambda m, inp, out: seen.append(lib.plain([inp, out])))
    lib.backward(_sum, root, lib.array([1.0]))
    return [seen, _grads(lib, root), root(lib.array([1.0]))]


@case
def backward_hooks_leave_the_values_alone(lib: Any) -> Any:
    module = affine(lib)
    module.register_full_backward_hook(lambda *_: None)
    module.register_full_backward_pre_hook(lambda *_: None)
    return module(lib.array([3.0, 4.0]))


@case
def gradient_of_an_input_passes_the_hook(lib: Any) -> Any:
    module, seen = scale(lib, 3.0), []

    def hook(m: Any, grad_input: Any, grad_output: Any) -> Any:
        seen.append(lib.plain([grad_input, grad_output]))
        return (grad_input[0] * 2.0,)

    module.register_full_backward_hook(hook)
    gradient = lib.input_gradient(lambda x: (module(x) ** 2).sum(), lib.array([1.0, -2.0]))
    return [gradient, seen]


@case
def global_backward_hooks_run_before_local_ones(lib: Any) -> Any:
    root, log = _chain(lib), []
    root.b.register_full_backward_pre_hook(_noting(log, "pre"))
    root.b.register_full_backward_hook(_noting(log, "full"))
    register = lib.globally
    pre = register.register_module_full_backward_pre_hook(_noting(log, "global pre"))
    full = register.register_module_full_backward_hook(_noting(log, "global full"))
    try:
        lib.backward(_sum, root.b, lib.array([1.0]))
    finally:
        pre.remove()
        full.remove()
    lib.backward(_sum, root.b, lib.array([1.0]))
    return log


@case
def global_backward_hooks_change_gradients(lib: Any) -> Any:
    root, log = _chain(lib), []

    def hook(module: Any, grad_input: Any, grad_output: Any) -> Any:
        log.append(type(module).__name__)
        return None if grad_input[0] is None else (grad_input[0] * 10.0,)

    handle = lib.globally.register_module_full_backward_hook(hook)
    try:
        lib.backward(_sum, root, lib.array([1.0, 5.0]))
    finally:
        handle.remove()
    return [_grads(lib, root), sorted(log)]
