"""gradion.jit: state goes in and comes back, compiled once."""

import gc
import warnings
import weakref
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gradion
from gradion import Buffer, Module, Parameter
from gradion.foundation.errors import InputError
from gradion.module import ModuleList, TransformError

from ..transform_models import Counter, Pair, loss


def traces_of(function):
    """The function, and a list that grows with each trace of it."""
    traces = []

    def traced(*args, **kwargs):
        traces.append(None)
        return function(*args, **kwargs)

    return traced, traces


def test_buffers_written_inside_are_kept():
    module = Counter()
    step = gradion.jit(lambda m, x: m(x))
    for n in range(1, 4):
        assert step(module, jnp.arange(3.0) + n).shape == (3,)
        assert module.calls == n
        assert module.last == 2.0 * (3.0 + 3 * n)


def test_the_function_is_traced_once_for_all_values_and_modules():
    function, traces = traces_of(lambda m, x: m(x))
    step = gradion.jit(function)
    for scale in (1.0, 2.0, 3.0):
        module = Counter(scale)
        assert step(module, jnp.ones(2))[0] == scale
        assert step(module, jnp.ones(2))[0] == scale
        module.get_parameter("scale").value = 5.0
        assert step(module, jnp.ones(2))[0] == 5.0
    assert len(traces) == 1


def test_other_shapes_and_structures_are_traced_anew():
    function, traces = traces_of(lambda m, x: m(x))
    step = gradion.jit(function)
    module = Counter()
    step(module, jnp.ones(2))
    step(module, jnp.ones(3))
    assert len(traces) == 2
    module.eval()
    step(module, jnp.ones(3))
    assert len(traces) == 3
    module.train()
    step(module, jnp.ones(2))
    assert len(traces) == 3
    assert module.calls == 4


def test_parameters_set_inside():
    @gradion.jit
    def step(module, x):
        value, gradient = gradion.value_and_grad(loss)(module, x)
        values = module.parameter_values()
        module.set_parameters({k: values[k] - 0.01 * gradient[k] for k in values})
        module.left.get_parameter("frozen").value = 4.0
        return value

    module = Pair()
    handle = module.left.get_parameter("scale")
    # d/ds of sum((3 s x)^2) with s = 2, x = (1, 1) is 2 * 9 * 2 * 2 = 72.
    assert step(module, jnp.ones(2)) == 72.0
    assert module.left.scale == pytest.approx(2.0 - 0.72)
    assert module.left.frozen == 4.0
    assert module.left.get_parameter("scale") is handle


def test_a_shared_parameter_stays_shared():
    @gradion.jit
    def step(module):
        module.left.get_parameter("scale").value = module.right.scale + 1.0

    module = Pair(share=True)
    step(module)
    assert module.left.scale == module.right.scale == 3.0
    assert module.left.get_parameter("scale") is module.right.get_parameter("scale")


def test_what_two_arguments_share_stays_shared():
    left, right = Counter(), Counter()
    right.scale = left.get_parameter("scale")

    @gradion.jit
    def step(a, b):
        a.get_parameter("scale").value = 7.0
        return b.scale

    assert step(left, right) == 7.0
    assert right.scale == 7.0
    assert right.get_parameter("scale") is left.get_parameter("scale")


def test_a_module_passed_twice_is_one_module():
    module = Counter()

    @gradion.jit
    def step(a, b):
        assert a is b
        a(1.0)
        b(1.0)

    step(module, module)
    assert module.calls == 2


def test_a_module_and_its_child():
    module = Pair()
    step = gradion.jit(lambda a, b: (a.left is b, b(1.0)))
    same, _ = step(module, module.left)
    assert same
    assert module.left.calls == 1


@pytest.mark.parametrize("wrap", [lambda m: (m, 1.0), lambda m: [1.0, m], lambda m: {"model": m}])
def test_modules_inside_of_containers(wrap):
    @gradion.jit
    def step(state):
        (module,) = [x for x in jax.tree.leaves(state, is_leaf=is_counter) if is_counter(x)]
        return module(jnp.ones(1))

    def is_counter(x):
        return isinstance(x, Counter)

    module = Counter()
    for n in range(1, 4):
        step(wrap(module))
        assert module.calls == n


def test_modules_by_keyword_and_mixed():
    step = gradion.jit(lambda x, *, module, factor=1.0: module(x) * factor)
    module = Counter()
    assert step(2.0, module=module) == 4.0
    assert step(2.0, factor=3.0, module=module) == 12.0
    assert module.calls == 2


def test_no_module_at_all():
    assert gradion.jit(lambda x: x + 1)(1.0) == 2.0


def test_modules_come_back_as_themselves():
    module = Pair()
    out = gradion.jit(lambda m: {"whole": m, "part": m.left, "n": m.left(1.0)})(module)
    assert out["whole"] is module
    assert out["part"] is module.left
    assert module.left.calls == 1


def test_a_new_module_may_be_returned():
    made = gradion.jit(lambda x: Counter(x))(jnp.asarray(4.0))
    assert made.scale == 4.0
    made.calls = jnp.asarray(3)
    made.get_parameter("scale").value = 1.0
    assert made.calls == 3


def test_a_new_module_that_shares_with_an_argument_cannot():
    with pytest.raises(TransformError, match="ModuleList that shares"):
        gradion.jit(lambda m: ModuleList([m]))(Counter())


def test_attributes_added_inside():
    @gradion.jit
    def step(module, x):
        module.cache = x + 1.0
        module.note = "seen"
        module.extra = Parameter(jnp.sum(x))
        module.mean = Buffer(jnp.mean(x))
        module.child = Counter(5.0)
        del module.last

    for _ in range(2):  # the second Module goes through compiled code alone
        module = Counter()
        scale = module.get_parameter("scale")
        step(module, jnp.ones(2))
        assert module.note == "seen"
        np.testing.assert_array_equal(module.cache, [2.0, 2.0])
        assert module.extra == 2.0
        assert module.mean == 1.0
        assert module.child.scale == 5.0
        assert not hasattr(module, "last")
        assert module.get_parameter("scale") is scale
        module.child.calls = jnp.asarray(1)
        assert list(module.state_dict()) == [
            *("scale", "frozen", "extra", "calls", "mean"),
            *("child.scale", "child.frozen", "child.calls", "child.last"),
        ]


def test_mode_switched_inside():
    module = Pair()
    gradion.jit(lambda m: m.left.eval())(module)
    assert not module.left.training
    assert module.right.training


def test_grads_are_carried_in_and_out():
    @gradion.jit
    def accumulate(module, x):
        return gradion.backward(loss, module, x)

    module = Counter()
    accumulate(module, jnp.ones(1))
    assert module.get_parameter("scale").grad == 4.0
    assert module.get_parameter("frozen").grad is None
    for n in range(2, 5):
        accumulate(module, jnp.ones(1))
        assert module.get_parameter("scale").grad == 4.0 * n
    gradion.jit(lambda m: m.zero_grad())(module)
    assert module.get_parameter("scale").grad is None
    accumulate(module, jnp.ones(1))
    assert module.get_parameter("scale").grad == 4.0


def test_an_error_changes_nothing():
    @gradion.jit
    def step(module):
        module.calls = module.calls + 1
        module.note = "half way"
        raise ValueError("stop")

    module = Counter()
    with pytest.raises(ValueError, match="stop"):
        step(module)
    assert module.calls == 0
    assert not hasattr(module, "note")


def test_a_module_and_its_methods_are_functions():
    module = Counter()
    whole, method = gradion.jit(module), gradion.jit(module.forward)
    for n in range(1, 3):
        assert whole(3.0) == 6.0
        assert method(3.0) == 6.0
        assert module.calls == 2 * n
    module.get_parameter("scale").value = 10.0
    assert whole(3.0) == method(3.0) == 30.0


def test_as_a_decorator_of_a_method():
    class Model(Module):
        def __init__(self):
            super().__init__()
            self.n = Buffer(jnp.asarray(0))

        @gradion.jit
        def step(self, by):
            self.n = self.n + by

        @gradion.jit(static_argnames="times")
        def repeated(self, times):
            for _ in range(times):
                self.n = self.n + 1

    model = Model()
    model.step(2)
    model.repeated(3)
    model.repeated(times=4)
    assert model.n == 9


def test_static_arguments_by_position_and_by_name():
    function, traces = traces_of(lambda m, n, x, mode=None: m(x) * len(n) if mode else m(x))
    step = gradion.jit(function, static_argnums=(1, 3))
    module = Counter()
    assert step(module, (1, 2), 1.0, "double") == 4.0
    assert step(module, (1, 2), 1.0, "double") == 4.0
    assert len(traces) == 1
    assert step(module, (1, 2, 3), 1.0, "double") == 6.0
    assert len(traces) == 2

    @gradion.jit(static_argnames=("power",))
    def by_name(module, x, power):
        return module(x) ** int(power)

    assert by_name(module, 1.0, 3) == by_name(module, 1.0, power=3) == 8.0


def test_bad_static_arguments():
    with pytest.raises(InputError, match="not hashable"):
        gradion.jit(lambda m, x: m, static_argnums=1)(Counter(), [1])
    with pytest.raises(InputError, match="no argument 'y'"):
        gradion.jit(lambda x: x, static_argnames="y")


# -- inside of other transformations -------------------------------------------------------------


def test_inside_of_jit_and_grad():
    inner = gradion.jit(lambda m, x: m(x))

    @gradion.jit
    def outer(module, x):
        return gradion.value_and_grad(lambda m, x: inner(m, x) ** 2)(module, x)

    module = Counter()
    value, gradient = outer(module, 3.0)
    assert value == 36.0
    assert gradient == {"scale": 36.0}
    assert module.calls == 1


def test_inside_of_bare_jax_a_module_may_be_read():
    inner = gradion.jit(lambda m, x: m.scale * x)
    assert jax.jit(inner)(Counter(), 3.0) == 6.0
    assert jax.grad(lambda x: inner(Counter(), x))(3.0) == 2.0


def test_inside_of_bare_jax_a_write_raises():
    inner = gradion.jit(lambda m, x: m(x))
    module = Counter()
    with pytest.raises(TransformError, match="gradion's transformation"):
        jax.jit(inner)(module, 3.0)
    with pytest.raises(TransformError, match="only captured"):
        jax.jit(lambda x: inner(module, x))(3.0)
    # The same with the code compiled before.
    inner(module, 3.0)
    inner(module, 3.0)
    with pytest.raises(TransformError, match="only captured"):
        jax.jit(lambda x: inner(module, x))(3.0)
    assert module.calls == 2


def test_a_cached_property_is_seen():
    class Model(Counter):
        @cached_property
        def table(self):
            return (1.0, 2.0)

    module = Model()
    step = gradion.jit(lambda m, x: m(x) + m.__dict__.get("table", (0.0,))[-1])
    assert step(module, 1.0) == 2.0
    assert module.table == (1.0, 2.0)
    assert step(module, 1.0) == 4.0


def test_without_compilation():
    with jax.disable_jit():
        module = Counter()
        step = gradion.jit(lambda m, x: m(x))
        assert step(module, 3.0) == step(module, 3.0) == 6.0
        assert module.calls == 2


def test_lowered_text_names_the_function():
    def my_step(module, x):
        return module(x)

    step = gradion.jit(my_step)
    assert step.__name__ == "my_step"
    assert "jit_my_step" in step.lower(Counter(), 1.0).as_text()


def test_neither_modules_nor_arrays_are_kept_alive():
    step = gradion.jit(lambda m, x: m(x))
    module = Counter()
    step(module, 1.0)
    step(module, 1.0)
    alive = weakref.ref(module)
    del module
    gc.collect()
    assert alive() is None


def test_a_structure_that_always_changes_is_warned_of():
    class Chatty(Module):
        def __init__(self):
            super().__init__()
            self.n = 0

        def forward(self, x):
            self.n += 1
            return x

    step = gradion.jit(Chatty())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(15):
            step(1.0)
    with pytest.warns(UserWarning, match=r"16 structures.*Chatty\.n"):
        step(1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step(1.0)


def test_numpy_arrays_and_scalars_as_attributes():
    class Table(Module):
        def __init__(self):
            super().__init__()
            self.values = np.arange(3.0)

        def forward(self, x):
            self.values = self.values + x
            return self.values

    module = Table()
    step = gradion.jit(module)
    step(1.0)
    np.testing.assert_array_equal(step(1.0), [2.0, 3.0, 4.0])
    np.testing.assert_array_equal(module.values, [2.0, 3.0, 4.0])


def test_a_change_of_structure_below_another_module_is_seen_by_it():
    pair = Pair()
    before = jax.tree.structure(pair)
    gradion.jit(lambda m: m.eval())(pair.left)
    assert jax.tree.structure(pair) != before
    assert not jax.tree.map(lambda x: x, pair).left.training
    gradion.jit(lambda m: setattr(m, "calls", m.calls + 5))(pair.left)
    assert jax.tree.map(lambda x: x, pair).left.calls == 5


def test_handles_outlive_a_change_of_structure():
    module = Counter()
    seen = []
    handle = module.register_forward_hook(lambda *_: seen.append(1))
    gradion.jit(lambda m: m.eval())(module)
    module(1.0)
    assert len(seen) == 1
    handle.remove()
    module(1.0)
    assert len(seen) == 1


def test_a_module_with_attributes_named_as_ours():
    class Odd(Counter):
        def __init__(self):
            super().__init__()
            self._programs = "mine"
            self._quick = "mine, too"

    odd = Odd()
    assert gradion.jit(odd)(1.0) == 2.0
    assert gradion.jit(odd)(1.0) == 2.0


def test_many_static_values_are_no_many_structures():
    step = gradion.jit(lambda m, n: m.scale * n, static_argnums=1)
    module = Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(17):
            assert step(module, n) == 2.0 * n


def test_a_module_returned_for_one_shape_only():
    step = gradion.jit(lambda m, x: m if x.shape == (3,) else m(x))
    module = Counter()
    for _ in range(2):
        assert step(module, jnp.ones(2)).shape == (2,)
        assert step(module, jnp.ones(3)) is module
        assert step(module, jnp.ones(3)) is module
    assert module.calls == 2


def test_messages_name_the_class_of_a_module():
    assert "jit_Counter" in gradion.jit(Counter()).lower(1.0).as_text()


def test_a_class_that_forgot_init():
    class Forgot(Module):
        def __init__(self):
            self.a = 1

    with pytest.raises(AttributeError, match="super"):
        gradion.jit(lambda m: 1.0)(Forgot())


def test_buffers_are_not_weakly_typed():
    module = Counter()
    module.register_buffer("n", jnp.array(0))
    assert not module.n.weak_type
    module.n = jnp.array(1)
    assert not module.n.weak_type
