"""Backward hooks of one Module. What they see was probed with torch 2.13.0."""

import copy

import jax
import jax.numpy as jnp
import pytest

import gradion
from gradion.module import Module, Parameter
from gradion.module.hooks import register_module_full_backward_hook

X = jnp.array([1.0, 2.0])


class Scale(Module):
    """3 x k, as in the scripts that were run with torch."""

    def __init__(self, w=3.0):
        super().__init__()
        self.w = Parameter(w)

    def forward(self, x, k=2.0, *_):
        return self.w * x * k


class Sine(Scale):
    def forward(self, x):
        return jnp.sin(self.w * x)


class Pair(Module):
    def __init__(self, a, b):
        super().__init__()
        self.a, self.b = a, b

    def forward(self, x):
        return self.b(self.a(x))


def plain(gradients):
    """Gradients as lists."""
    return tuple(g if g is None else g.tolist() for g in gradients)


def watched(module):
    """A Module with hooks of both kinds that note what they see, and the notes."""
    events = []
    module.register_full_backward_pre_hook(lambda m, o: events.append(("pre", plain(o))))
    module.register_full_backward_hook(lambda m, i, o: events.append(("full", plain(i), plain(o))))
    return module, events


def total(module, *args):
    return module(*args).sum()


# -- what hooks see --------------------------------------------------------------------------


def test_eager_gradient_gives_numbers():
    module, events = watched(Scale())
    gradient = jax.grad(lambda x: total(module, x))(X)
    assert gradient.tolist() == [6.0, 6.0]
    assert events == [("pre", ([1.0, 1.0],)), ("full", ([6.0, 6.0],), ([1.0, 1.0],))]


def test_arguments_that_are_no_arrays_have_none():
    module, events = watched(Scale())
    jax.grad(lambda x: total(module, x, 2.0, None))(X)
    assert events[1] == ("full", ([6.0, 6.0], None, None), ([1.0, 1.0],))


def test_integer_argument_has_none():
    module, events = watched(Scale())
    jax.grad(lambda x: total(module, x, jnp.array(2)))(X)
    assert events[1] == ("full", ([6.0, 6.0], None), ([1.0, 1.0],))


def test_argument_that_is_not_differentiated_has_zeros_beside_one_that_is():
    module, events = watched(Scale())
    jax.grad(lambda x: total(module, x, jnp.array(5.0)))(X)
    assert events[1] == ("full", ([15.0, 15.0], 0.0), ([1.0, 1.0],))


def test_no_differentiated_argument():
    # torch 2.13.0 runs the full hooks on the gradients of the output, and warns.
    module, events = watched(Scale())
    gradient = gradion.grad(total)(module, X)
    assert gradient == {"w": 6.0}
    assert events == [("pre", ([1.0, 1.0],)), ("full", (None,), ([1.0, 1.0],))]


def test_keyword_argument_is_no_input():
    module, events = watched(Scale())
    assert jax.grad(lambda x: module(x=x).sum())(X).tolist() == [6.0, 6.0]
    assert events[1] == ("full", (), ([1.0, 1.0],))


def test_outputs_are_leaves_in_order():
    class Several(Scale):
        def forward(self, x):
            return {"b": (self.w * x, 3), "a": None, "c": x[0]}

    module, events = watched(Several())
    jax.grad(lambda x: module(x)["b"][0].sum())(X)
    # torch 2.13.0 has no gradient for the unused output, here it is zero.
    assert events[0] == ("pre", (None, [1.0, 1.0], None, 0.0))


def test_output_that_is_not_differentiated_has_none():
    class WithConstant(Scale):
        def forward(self, x):
            return self.w * x, jnp.ones(2)

    module, events = watched(WithConstant())
    jax.grad(lambda x: module(x)[0].sum())(X)
    assert events[0] == ("pre", ([1.0, 1.0], None))


def test_unused_input_runs_no_full_hook():
    class Unused(Scale):
        def forward(self, x):
            return self.w * jnp.ones(2)

    module, events = watched(Unused())
    gradient = gradion.grad(total, argnums=(0, 1))(module, X)
    assert gradient[0] == {"w": 2.0}
    assert gradient[1].tolist() == [0.0, 0.0]
    assert events == [("pre", ([1.0, 1.0],))]


def test_gradient_that_passes_by_the_output_runs_no_hook():
    class PassingBy(Module):
        def forward(self, x, aside):
            aside.append(2 * x)
            return 3 * x

    def loss(x):
        aside = []
        module(x, aside)
        return aside[0].sum()

    module, events = watched(PassingBy())
    assert jax.grad(loss)(X).tolist() == [2.0, 2.0]
    assert events == []


def test_each_call_runs_the_hooks():
    module, events = watched(Scale())
    jax.grad(lambda x: total(module, module(x)))(X)
    assert events == [
        *(("pre", ([1.0, 1.0],)), ("full", ([6.0, 6.0],), ([1.0, 1.0],))),
        *(("pre", ([6.0, 6.0],)), ("full", ([36.0, 36.0],), ([6.0, 6.0],))),
    ]


def test_parent_before_its_children():
    events = []
    pair = Pair(Scale(), Scale())
    for name, module in (("pair", pair), ("a", pair.a), ("b", pair.b)):
        for register in (
            module.register_full_backward_pre_hook,
            module.register_full_backward_hook,
        ):
            kind = "pre" if register == module.register_full_backward_pre_hook else "full"
            register(lambda *_, name=name, kind=kind: events.append(f"{kind} {name}"))
    jax.grad(lambda x: total(pair, x))(X)
    # torch 2.13.0 gives the same order.
    assert events == ["pre pair", "pre b", "full b", "pre a", "full a", "full pair"]


def test_hooks_see_the_module():
    module, seen = Scale(), []
    module.register_full_backward_hook(lambda module, i, o: seen.append(module))
    jax.grad(lambda x: total(module, x))(X)
    assert seen == [module]


def test_hooks_of_a_call_are_those_registered_at_the_call():
    # torch 2.13.0, too, runs a hook that is removed between the passes.
    module, events = Scale(), []
    handle = module.register_full_backward_hook(lambda *_: events.append("hook"))
    _, pull = jax.vjp(lambda x: total(module, x), X)
    handle.remove()
    pull(1.0)
    assert events == ["hook"]


def test_deepcopy_keeps_backward_hooks():
    module, events = watched(Scale())
    twin = copy.deepcopy(module)
    jax.grad(lambda x: total(twin, x))(X)
    assert len(events) == 2


# -- what hooks change -----------------------------------------------------------------------


@pytest.mark.parametrize("pack", [tuple, list, lambda x: next(iter(x))])
def test_full_hook_changes_grad_input(pack):
    module = Scale()
    module.register_full_backward_hook(lambda m, i, o: pack([5 * i[0]]))
    assert jax.grad(lambda x: total(module, x))(X).tolist() == [30.0, 30.0]


def test_full_hook_leaves_gradients_of_parameters():
    module = Scale()
    module.register_full_backward_hook(lambda m, i, o: (5 * i[0],))
    weights, x = gradion.grad(total, argnums=(0, 1))(module, X)
    assert weights == {"w": 6.0}
    assert x.tolist() == [30.0, 30.0]


def test_pre_hook_changes_all_gradients_and_what_full_hooks_see():
    module, events = Scale(), []
    module.register_full_backward_pre_hook(lambda m, o: (10 * o[0],))
    module.register_full_backward_hook(lambda m, i, o: events.append((plain(i), plain(o))))
    weights, x = gradion.grad(total, argnums=(0, 1))(module, X)
    assert weights == {"w": 60.0}
    assert x.tolist() == [60.0, 60.0]
    assert events == [(([60.0, 60.0],), ([10.0, 10.0],))]


def test_hooks_change_gradients_in_turn():
    module = Scale()
    module.register_full_backward_hook(lambda m, i, o: (i[0] * 2,))
    module.register_full_backward_hook(lambda m, i, o: (i[0] + 1,))
    # torch 2.13.0: 2 * 6 + 1.
    assert jax.grad(lambda x: total(module, x))(X).tolist() == [13.0, 13.0]


def test_none_for_a_gradient_is_zero():
    module = Scale()
    module.register_full_backward_hook(lambda m, i, o: (None,))
    assert jax.grad(lambda x: total(module, x))(X).tolist() == [0.0, 0.0]


def test_none_for_a_gradient_of_an_output_is_zero():
    module, events = Scale(), []
    module.register_full_backward_pre_hook(lambda m, o: (None,))
    module.register_full_backward_hook(lambda m, i, o: events.append((plain(i), plain(o))))
    weights, x = gradion.grad(total, argnums=(0, 1))(module, X)
    assert weights == {"w": 0.0}
    assert x.tolist() == [0.0, 0.0]
    assert events == [(([0.0, 0.0],), (None,))]


def test_value_for_an_argument_without_gradient_is_ignored():
    # As in torch 2.13.0.
    module = Scale()
    module.register_full_backward_hook(lambda m, i, o: (2 * i[0], 7))
    assert jax.grad(lambda x: total(module, x, 2.0))(X).tolist() == [12.0, 12.0]


@pytest.mark.parametrize("result", [(X,), X])
def test_gradient_for_inputs_that_have_none_raises(result):
    module = Scale()
    module.register_full_backward_hook(lambda m, i, o: result)
    with pytest.raises(RuntimeError, match="Scale.*no derivative"):
        gradion.grad(total)(module, X)


def test_nones_for_inputs_that_have_none():
    module = Scale()
    module.register_full_backward_hook(lambda m, i, o: (None,))
    assert gradion.grad(total)(module, X) == {"w": 6.0}


@pytest.mark.parametrize(
    ("result", "error", "text"),
    [
        (lambda g: (g, g), RuntimeError, "2 gradients, expected 1"),
        (lambda g: (jnp.ones(3),), RuntimeError, r"shape \(3,\).*expected shape \(2,\)"),
        (lambda g: (g.astype(jnp.float32),), RuntimeError, "float32.*float64"),
        (lambda g: ("x",), TypeError, "str"),
    ],
    ids=["too many", "shape", "dtype", "kind"],
)
@pytest.mark.parametrize("pre", [True, False])
def test_gradient_that_does_not_fit_raises(result, error, text, pre):
    module = Scale()
    if pre:
        module.register_full_backward_pre_hook(lambda m, o: result(o[0]))
    else:
        module.register_full_backward_hook(lambda m, i, o: result(i[0]))
    with pytest.raises(error, match=f"hook.*lambda.* of Scale returned.*{text}"):
        jax.grad(lambda x: total(module, x))(X)


def test_backward_hooks_are_those_at_the_start_of_the_call():
    # As in torch 2.13.0: one that a forward pre hook registers is too late.
    module, events = Scale(), []

    def register(module, args):
        module.register_full_backward_hook(lambda *_: events.append("late"))

    module.register_forward_pre_hook(register)
    module.register_full_backward_hook(lambda *_: events.append("there"))
    gradion.grad(total)(module, X)
    assert events == ["there"]


def test_global_hook_sees_each_module_of_a_tree():
    pair, seen = Pair(Scale(), Sine()), []
    with register_module_full_backward_hook(lambda m, i, o: seen.append(type(m))):
        jax.grad(lambda x: total(pair, x))(X)
    assert seen == [Sine, Scale, Pair]
