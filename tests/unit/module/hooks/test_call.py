"""Forward hooks of one Module. Orders of events were probed with torch 2.13.0."""

import copy
import warnings

import jax
import jax.numpy as jnp
import pytest

from gradion.module import Module, Parameter


class Scale(Module):
    def __init__(self, w=3.0):
        super().__init__()
        self.w = Parameter(w)

    def forward(self, x, k=1.0):
        return self.w * x * k


class Failing(Scale):
    def forward(self, x, k=1.0):
        raise ValueError("forward failed")


def note(events, name, result=None):
    """A hook that notes its name and what it was given besides the Module."""

    def hook(module, *given):
        events.append((name, *given))
        return result

    return hook


def test_hook_sees_arguments_and_output():
    module, events = Scale(), []
    module.register_forward_pre_hook(note(events, "pre"))
    module.register_forward_hook(note(events, "hook"))
    module(2.0, k=5.0)
    assert events == [("pre", (2.0,)), ("hook", (2.0,), 30.0)]


def test_hook_sees_the_module():
    module, seen = Scale(), []
    module.register_forward_hook(lambda module, args, output: seen.append(module))
    module(2.0)
    assert seen == [module]


def test_options_with_kwargs():
    module, events = Scale(), []
    module.register_forward_pre_hook(note(events, "pre"), with_kwargs=True)
    module.register_forward_hook(note(events, "hook"), with_kwargs=True)
    module(2.0, k=5.0)
    assert events == [("pre", (2.0,), {"k": 5.0}), ("hook", (2.0,), {"k": 5.0}, 30.0)]


def test_output_is_replaced_in_turn():
    module = Scale()
    module.register_forward_hook(lambda module, args, output: output + 1)
    module.register_forward_hook(lambda module, args, output: output * 10)
    assert module(2.0) == 70.0


def test_output_none_keeps_the_output():
    module = Scale()
    module.register_forward_hook(lambda module, args, output: None)
    assert module(2.0) == 6.0


@pytest.mark.parametrize("result", [(7.0,), 7.0], ids=["tuple", "single"])
def test_pre_hook_replaces_arguments(result):
    module, events = Scale(), []
    module.register_forward_pre_hook(lambda module, args: result)
    module.register_forward_pre_hook(note(events, "second"))
    assert module(2.0) == 21.0
    assert events == [("second", (7.0,))]


def test_pre_hook_result_that_is_a_list_is_one_argument():
    module, events = Scale(), []
    module.register_forward_pre_hook(lambda module, args: [7.0])
    module.register_forward_pre_hook(note(events, "second", result=(1.0,)))
    module(2.0)
    assert events == [("second", ([7.0],))]


def test_pre_hook_with_kwargs_replaces_both():
    module = Scale()
    module.register_forward_pre_hook(
        lambda module, args, kwargs: ((4.0,), {"k": 2.0}), with_kwargs=True
    )
    assert module(2.0) == 24.0


@pytest.mark.parametrize("result", [5, [(1.0,), {}], ((1.0,), {}, None)])
def test_pre_hook_with_kwargs_must_return_a_pair(result):
    module = Scale()
    module.register_forward_pre_hook(lambda module, args, kwargs: result, with_kwargs=True)
    with pytest.raises(RuntimeError, match="Scale.*tuple"):
        module(2.0)


@pytest.mark.parametrize("count", [1, 2])
def test_prepend(count):
    module, events = Scale(), []
    for i in range(count):
        module.register_forward_pre_hook(note(events, f"pre {i}"))
        module.register_forward_hook(note(events, f"hook {i}"))
    module.register_forward_pre_hook(note(events, "first pre"), prepend=True)
    module.register_forward_hook(note(events, "first hook"), prepend=True)
    module(2.0)
    names = [name for name, *_ in events]
    numbers = range(count)
    assert names == [
        "first pre",
        *(f"pre {i}" for i in numbers),
        "first hook",
        *(f"hook {i}" for i in numbers),
    ]


def test_hooks_of_children_run_before_those_of_their_parent():
    class Pair(Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = Scale(), Scale()

        def forward(self, x):
            return self.b(self.a(x))

    pair, events = Pair(), []
    for name, module in (("pair", pair), ("a", pair.a), ("b", pair.b)):
        module.register_forward_pre_hook(note(events, f"pre {name}"))
        module.register_forward_hook(note(events, name))
    pair(1.0)
    assert [name for name, *_ in events] == ["pre pair", "pre a", "a", "pre b", "b", "pair"]


def test_hook_that_removes_itself_runs_once():
    module, events = Scale(), []

    def once(module, args, output):
        events.append("once")
        handle.remove()

    handle = module.register_forward_hook(once)
    module.register_forward_hook(lambda module, args, output: events.append("always"))
    module(2.0)
    module(2.0)
    assert events == ["once", "always", "always"]


def test_hook_registered_by_forward_runs_after_it():
    events = []

    class Registering(Scale):
        def forward(self, x):
            self.register_forward_hook(note(events, "late"))
            return x

    module = Registering()
    module.register_forward_hook(note(events, "early"))
    module(2.0)
    assert [name for name, *_ in events] == ["early", "late"]


def test_call_without_hooks_left_runs_none():
    module, events = Scale(), []
    module.register_forward_hook(note(events, "hook")).remove()
    assert module(2.0) == 6.0
    assert events == []
    assert module._hooks is None


def test_always_call_runs_when_forward_raises():
    # torch 2.13.0: plain hooks are passed over, the outputs so far go from hook to hook.
    module, events = Failing(), []
    module.register_forward_hook(note(events, "plain"))
    module.register_forward_hook(note(events, "first", result=7), always_call=True)
    module.register_forward_hook(note(events, "kwargs"), always_call=True, with_kwargs=True)
    with pytest.raises(ValueError, match="forward failed"):
        module(2.0, k=5.0)
    assert events == [("first", (2.0,), None), ("kwargs", (2.0,), {"k": 5.0}, 7)]


def test_always_call_runs_when_a_pre_hook_raises():
    module, events = Scale(), []

    def fail(module, args):
        raise KeyError("pre hook")

    module.register_forward_pre_hook(fail)
    module.register_forward_hook(note(events, "always"), always_call=True)
    with pytest.raises(KeyError):
        module(2.0)
    assert events == [("always", (2.0,), None)]


def test_always_call_runs_once_when_a_later_hook_raises():
    module, events = Scale(), []

    def fail(module, args, output):
        raise KeyError("hook")

    module.register_forward_hook(note(events, "before"), always_call=True)
    module.register_forward_hook(fail)
    module.register_forward_hook(note(events, "after"), always_call=True)
    with pytest.raises(KeyError):
        module(2.0)
    assert events == [("before", (2.0,), 6.0), ("after", (2.0,), 6.0)]


def test_always_call_hook_that_raises_itself_is_not_called_again():
    module, events = Scale(), []

    def fail(module, args, output):
        events.append("fail")
        raise KeyError("hook")

    module.register_forward_hook(fail, always_call=True)
    with pytest.raises(KeyError):
        module(2.0)
    assert events == ["fail"]


def test_always_call_hook_that_raises_besides_warns():
    module, events = Failing(), []

    def fail(module, args, output):
        raise KeyError("besides")

    module.register_forward_hook(fail, always_call=True)
    module.register_forward_hook(note(events, "next"), always_call=True)
    with (
        pytest.warns(UserWarning, match="Failing.*KeyError.*besides"),
        pytest.raises(ValueError, match="forward failed"),
    ):
        module(2.0)
    assert events == [("next", (2.0,), None)]


def test_always_call_hook_may_change_the_output_of_a_good_call():
    module = Scale()
    module.register_forward_hook(lambda module, args, output: output + 1, always_call=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert module(2.0) == 7.0


def test_keyboard_interrupt_runs_no_hook():
    # torch 2.13.0 catches Exception.
    class Interrupted(Scale):
        def forward(self, x):
            raise KeyboardInterrupt

    module, events = Interrupted(), []
    module.register_forward_hook(note(events, "always"), always_call=True)
    with pytest.raises(KeyboardInterrupt):
        module(2.0)
    assert events == []


def test_compiled_call_holds_the_hooks():
    module = Scale()
    module.register_forward_hook(lambda module, args, output: output + 1)
    assert jax.jit(module)(2.0) == 7.0


def test_hooks_go_with_a_module_through_jit():
    module = Scale()
    call = jax.jit(lambda module, x: module(x))
    assert call(module, 2.0) == 6.0
    with module.register_forward_hook(lambda module, args, output: output + 1):
        assert call(module, 2.0) == 7.0
    assert call(module, 2.0) == 6.0


def test_deepcopy_keeps_hooks():
    module, events = Scale(), []
    module.register_forward_hook(lambda module, args, output: events.append(module))
    twin = copy.deepcopy(module)
    twin(2.0)
    assert events == [twin]


def test_copy_has_hooks_of_its_own():
    module, events = Scale(), []
    handle = module.register_forward_hook(note(events, "hook"))
    twin = copy.copy(module)
    handle.remove()
    twin(2.0)
    module(2.0)
    assert len(events) == 1


def test_registering_before_init_raises():
    class Early(Module):
        def __init__(self):
            self.register_forward_hook(lambda module, args, output: None)

    with pytest.raises(AttributeError, match="Early"):
        Early()


def test_hook_on_arrays():
    module, seen = Scale(), []
    module.register_forward_hook(lambda module, args, output: seen.append(output))
    module(jnp.array([1.0, 2.0]))
    assert seen[0].tolist() == [3.0, 6.0]
