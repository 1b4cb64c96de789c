"""Forward and forward-pre hooks, of one Module and of all, and their handles."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from module_cases.case import case
from module_cases.parts import affine, empty, scale


@contextmanager
def _removed(*handles: Any) -> Iterator[None]:
    """Global hooks must not outlive their script, whatever it raises."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _noting(log: list[str], word: str) -> Any:
    """A hook of any kind that notes a word and changes nothing."""

    def hook(*_: Any) -> None:
        log.append(word)

    return hook


def _failing(lib: Any) -> Any:
    class Failing(lib.Module):
        def forward(self, x: Any) -> Any:
            raise ZeroDivisionError("forward")

    return Failing()


@case
def pre_hook_sees_module_and_args(lib: Any) -> Any:
    module, seen = scale(lib), []
    module.register_forward_pre_hook(lambda m, args: seen.append([m is module, lib.plain(args)]))
    result = module(lib.array([1.0, 2.0]))
    return [result, seen]


@case
def pre_hook_replaces_args(lib: Any) -> Any:
    module = scale(lib)
    handle = module.register_forward_pre_hook(lambda m, args: (args[0] + 1.0,))
    tuple_given = module(lib.array([1.0, 2.0]))
    handle.remove()
    module.register_forward_pre_hook(lambda m, args: args[0] * 10.0)
    return [tuple_given, module(lib.array([1.0, 2.0]))]


@case
def pre_hooks_run_in_order_and_hand_on(lib: Any) -> Any:
    module, x = scale(lib), lib.array([1.0])
    module.register_forward_pre_hook(lambda m, args: args[0] + 1.0)
    module.register_forward_pre_hook(lambda m, args: args[0] * 3.0)
    after = module(x)
    module.register_forward_pre_hook(lambda m, args: args[0] - 5.0, prepend=True)
    return [after, module(x)]


@case
def pre_hook_with_kwargs(lib: Any) -> Any:
    class Shift(lib.Module):
        def forward(self, x: Any, by: float = 0.0) -> Any:
            return x + by

    module, seen = Shift(), []

    def double(m: Any, args: Any, kwargs: Any) -> Any:
        seen.append([lib.plain(args), dict(kwargs)])
        return args, {"by": kwargs["by"] * 2}

    handle = module.register_forward_pre_hook(double, with_kwargs=True)
    changed = module(lib.array([1.0]), by=3.0)
    handle.remove()
    module.register_forward_pre_hook(lambda m, a, k: None, with_kwargs=True)
    return [changed, seen, module(lib.array([1.0]), by=3.0)]


@case
def pre_hook_without_kwargs_leaves_them(lib: Any) -> Any:
    class Shift(lib.Module):
        def forward(self, x: Any, by: float = 0.0) -> Any:
            return x + by

    module = Shift()
    module.register_forward_pre_hook(lambda m, args: tuple(a * 2 for a in args))
    return [module(lib.array([1.0]), by=3.0), module(x=lib.array([1.0]), by=2.0)]


@case
def pre_hook_with_kwargs_must_return_a_pair(lib: Any) -> Any:
    module, x = scale(lib), lib.array([1.0])
    found = []
    for result in ((x,), x, (x, x, x), 3):
        hook = module.register_forward_pre_hook(lambda m, a, k, r=result: r, with_kwargs=True)
        found.append(lib.attempt(module, x))
        hook.remove()
    return found


@case
def forward_hook_sees_module_args_and_output(lib: Any) -> Any:
    module, seen = scale(lib), []

    def hook(m: Any, args: Any, output: Any) -> None:
        seen.append([m is module, lib.plain(args), lib.value(output)])

    module.register_forward_hook(hook)
    module(lib.array([1.0, 2.0]))
    return seen


@case
def forward_hook_replaces_output(lib: Any) -> Any:
    module = scale(lib)
    module.register_forward_hook(lambda m, args, output: (output, output + 1.0))
    return module(lib.array([1.0]))


@case
def forward_hook_that_returns_zero_or_false(lib: Any) -> Any:
    module, x = scale(lib), lib.array([1.0])
    found = []
    for result in (0, False, ""):
        with module.register_forward_hook(lambda m, args, output, r=result: r):
            found.append(module(x))
    return found


@case
def forward_hooks_run_in_order_and_hand_on(lib: Any) -> Any:
    module, x = scale(lib), lib.array([1.0])
    module.register_forward_hook(lambda m, args, output: output + 1.0)
    module.register_forward_hook(lambda m, args, output: output * 3.0)
    after = module(x)
    module.register_forward_hook(lambda m, args, output: output - 5.0, prepend=True)
    return [after, module(x)]


@case
def forward_hook_with_kwargs(lib: Any) -> Any:
    class Shift(lib.Module):
        def forward(self, x: Any, by: float = 0.0) -> Any:
            return x + by

    module = Shift()
    module.register_forward_hook(
        lambda m, args, kwargs, output: [output, dict(kwargs), len(args)], with_kwargs=True
    )
    return [module(lib.array([1.0]), by=2.0), module(x=lib.array([1.0]), by=3.0)]


@case
def forward_hook_sees_args_of_pre_hooks(lib: Any) -> Any:
    module, seen = scale(lib), []
    module.register_forward_hook(lambda m, args, output: seen.append(lib.plain(args)))
    module.register_forward_pre_hook(lambda m, args: args[0] + 10.0)
    module(lib.array([1.0]))
    return seen


@case
def hooks_of_a_tree_follow_the_calls(lib: Any) -> Any:
    root, log = empty(lib), []
    root.a, root.b = scale(lib), scale(lib, 3.0)
    type(root).forward = lambda self, x: self.b(self.a(x))
    for name, module in root.named_modules():
        module.register_forward_pre_hook(_noting(log, f"pre {name}"))
        module.register_forward_hook(_noting(log, f"post {name}"))
    root(lib.array([1.0]))
    return log


@case
def hooks_do_not_run_for_forward_itself(lib: Any) -> Any:
    module, log = scale(lib), []
    module.register_forward_hook(_noting(log, "hook"))
    return [module.forward(lib.array([1.0])), log]


@case
def always_call_runs_when_forward_fails(lib: Any) -> Any:
    module, log = _failing(lib), []
    module.register_forward_hook(_noting(log, "plain"))
    module.register_forward_hook(
        lambda m, args, output: log.append(lib.plain([args, output])), always_call=True
    )
    return [lib.attempt(module, lib.array([1.0])), log]


@case
def always_call_runs_once_when_all_is_well(lib: Any) -> Any:
    module, log = scale(lib), []
    module.register_forward_hook(_noting(log, "always"), always_call=True)
    module.register_forward_hook(_noting(log, "plain"))
    return [module(lib.array([1.0])), log]


@case
def always_call_runs_when_a_pre_hook_fails(lib: Any) -> Any:
    module, log = scale(lib), []

    def fail(*_: Any) -> None:
        raise KeyError("pre hook")

    module.register_forward_pre_hook(fail)
    module.register_forward_hook(_noting(log, "always"), always_call=True)
    module.register_forward_hook(_noting(log, "plain"))
    return [lib.attempt(module, lib.array([1.0])), log]


@case
def always_call_gets_the_output_so_far(lib: Any) -> Any:
    module, log = scale(lib), []

    def fail(*_: Any) -> None:
        raise KeyError("hook")

    module.register_forward_hook(lambda m, args, output: output + 1.0)
    module.register_forward_hook(fail)
    module.register_forward_hook(
        lambda m, args, output: log.append(lib.value(output)), always_call=True
    )
    return [lib.attempt(module, lib.array([1.0])), log]


@case
def always_call_that_has_run_is_not_run_again(lib: Any) -> Any:
    module, log = scale(lib), []

    def fail(*_: Any) -> None:
        raise KeyError("hook")

    module.register_forward_hook(_noting(log, "always"), always_call=True)
    module.register_forward_hook(fail)
    return [lib.attempt(module, lib.array([1.0])), log]


@case
def always_call_that_fails_itself(lib: Any) -> Any:
    module, log = scale(lib), []

    def fail(*_: Any) -> None:
        log.append("fails")
        raise KeyError("hook")

    module.register_forward_hook(fail, always_call=True)
    module.register_forward_hook(_noting(log, "after"), always_call=True)
    return [lib.attempt(module, lib.array([1.0])), log]


@case
def always_call_that_fails_while_forward_fails(lib: Any) -> Any:
    module, log = _failing(lib), []

    def fail(*_: Any) -> None:
        log.append("fails")
        raise KeyError("hook")

    module.register_forward_hook(fail, always_call=True)
    module.register_forward_hook(_noting(log, "after"), always_call=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outcome = lib.attempt(module, lib.array([1.0]))
    return [outcome, log, [issubclass(w.category, UserWarning) for w in caught]]


@case
def always_call_with_kwargs_on_failure(lib: Any) -> Any:
    class Failing(lib.Module):
        def forward(self, x: Any, by: float) -> Any:
            raise ZeroDivisionError

    module, log = Failing(), []
    module.register_forward_hook(
        lambda m, args, kwargs, output: log.append([dict(kwargs), output]),
        with_kwargs=True,
        always_call=True,
    )
    return [lib.attempt(module, lib.array([1.0]), by=2.0), log]


@case
def hook_error_is_let_out(lib: Any) -> Any:
    module, log = scale(lib), []

    def fail(*_: Any) -> None:
        raise LookupError("hook")

    module.register_forward_hook(fail)
    module.register_forward_hook(_noting(log, "after"))
    return [lib.attempt(module, lib.array([1.0])), log]


@case
def handle_removes_its_hook_alone(lib: Any) -> Any:
    module, log = scale(lib), []
    handles = [module.register_forward_hook(_noting(log, word)) for word in "abc"]
    handles[1].remove()
    module(lib.array([1.0]))
    handles[1].remove()
    handles[0].remove()
    module(lib.array([1.0]))
    return [log, len({handle.id for handle in handles})]


@case
def handle_is_a_context_manager(lib: Any) -> Any:
    module, log = scale(lib), []
    with module.register_forward_pre_hook(_noting(log, "inside")) as handle:
        module(lib.array([1.0]))
        kind = isinstance(handle, lib.RemovableHandle)
    module(lib.array([1.0]))
    return [kind, log]


@case
def handle_removes_at_an_error(lib: Any) -> Any:
    module, log = _failing(lib), []

    def call() -> None:
        with module.register_forward_pre_hook(_noting(log, "pre")):
            module(lib.array([1.0]))

    return [lib.attempt(call), lib.attempt(module, lib.array([1.0])), log]


@case
def hook_that_removes_itself(lib: Any) -> Any:
    module, log = scale(lib), []

    def once(*_: Any) -> None:
        log.append("once")
        handle.remove()

    handle = module.register_forward_hook(once)
    module.register_forward_hook(_noting(log, "last"))
    found = lib.attempt(module, lib.array([1.0]))
    return [found, lib.attempt(module, lib.array([1.0])), log]


@case
def same_function_registered_twice_runs_twice(lib: Any) -> Any:
    module, log = scale(lib), []
    hook = _noting(log, "hook")
    first = module.register_forward_hook(hook)
    module.register_forward_hook(hook)
    module(lib.array([1.0]))
    first.remove()
    module(lib.array([1.0]))
    return log


@case
def handle_keeps_no_module_alive(lib: Any) -> Any:
    module = scale(lib)
    handle = module.register_forward_hook(lambda *_: None)
    alive = weakref.ref(module)
    del module
    gc.collect()
    return [alive() is None, handle.remove()]


@case
def hook_that_is_not_callable_fails_at_the_call(lib: Any) -> Any:
    module = scale(lib)
    module.register_forward_hook(3)
    return lib.attempt(module, lib.array([1.0]))


@case
def hooks_before_init_raise(lib: Any) -> Any:
    class Early(lib.Module):
        def __init__(self) -> None:
            self.register_forward_hook(lambda *_: None)

    return lib.attempt(Early)


@case
def options_of_hooks_are_keywords(lib: Any) -> Any:
    module = scale(lib)
    return [
        lib.attempt(module.register_forward_hook, print, True),
        lib.attempt(module.register_forward_pre_hook, print, True),
        lib.attempt(module.register_forward_pre_hook, print, always_call=True),
    ]


@case
def global_hooks_run_before_local_ones(lib: Any) -> Any:
    module, log = scale(lib), []
    module.register_forward_pre_hook(_noting(log, "pre"))
    module.register_forward_hook(_noting(log, "post"))
    module.register_forward_hook(_noting(log, "post first"), prepend=True)
    pre = lib.globally.register_module_forward_pre_hook(_noting(log, "global pre"))
    post = lib.globally.register_module_forward_hook(_noting(log, "global post"))
    with _removed(pre, post):
        module(lib.array([1.0]))
    module(lib.array([1.0]))
    return log


@case
def global_hooks_see_every_module(lib: Any) -> Any:
    root, log = empty(lib), []
    root.a, root.b = scale(lib), affine(lib)
    type(root).forward = lambda self, x: self.b(self.a(x))
    hook = lib.globally.register_module_forward_hook(
        lambda m, args, output: log.append([type(m).__name__, lib.value(output)])
    )
    with _removed(hook):
        root(lib.array([1.0, 2.0]))
    return log


@case
def global_hooks_change_args_and_output(lib: Any) -> Any:
    module, x = scale(lib), lib.array([1.0])
    pre = lib.globally.register_module_forward_pre_hook(lambda m, args: args[0] + 1.0)
    post = lib.globally.register_module_forward_hook(lambda m, args, output: output * 10.0)
    with _removed(pre, post):
        module.register_forward_hook(lambda m, args, output: output + 1.0)
        return module(x)


@case
def global_hook_with_kwargs(lib: Any) -> Any:
    class Shift(lib.Module):
        def forward(self, x: Any, by: float = 0.0) -> Any:
            return x + by

    hook = lib.globally.register_module_forward_hook(
        lambda m, args, kwargs, output: [output, dict(kwargs)], with_kwargs=True
    )
    with _removed(hook):
        return Shift()(lib.array([1.0]), by=2.0)


@case
def global_always_call_runs_before_local_ones(lib: Any) -> Any:
    module, log = _failing(lib), []
    module.register_forward_hook(_noting(log, "local"), always_call=True)
    hook = lib.globally.register_module_forward_hook(_noting(log, "global"), always_call=True)
    with _removed(hook):
        return [lib.attempt(module, lib.array([1.0])), log]


@case
def global_handle_is_a_context_manager(lib: Any) -> Any:
    module, log = scale(lib), []
    with lib.globally.register_module_forward_pre_hook(_noting(log, "in")):
        module(lib.array([1.0]))
    module(lib.array([1.0]))
    return log
