"""detect_anomaly names the first Module whose numbers are not finite."""

import jax
import jax.numpy as jnp
import pytest

import gradion
from gradion.module import Module, Parameter
from gradion.module.anomaly import detect_anomaly

GOOD = jnp.array([4.0, 3.0])
BAD = jnp.array([0.5, 3.0])


class Log(Module):
    def __init__(self):
        super().__init__()
        self.w = Parameter(1.0)

    def forward(self, x):
        return self.w * jnp.log(x)


class Root(Module):
    def forward(self, x):
        return jnp.sqrt(x)


class Chain(Module):
    """log(log(x)): NaN for x below 1, at the second Module."""

    def __init__(self):
        super().__init__()
        self.first = Log()
        self.second = Log()

    def forward(self, x):
        return self.second(self.first(x))


class Outer(Module):
    def __init__(self):
        super().__init__()
        self.chain = Chain()

    def forward(self, x):
        return {"sum": self.chain(x).sum(), "double": 2 * self.chain(x)}


def has_no_hooks(module):
    return all(m._hooks is None for m in module.modules())


def test_finite_numbers_pass():
    module = Chain()
    with detect_anomaly(module):
        found = module(GOOD)
    assert found.tolist() == module(GOOD).tolist()
    assert has_no_hooks(module)


def test_eager_call_raises_at_once():
    module = Chain()
    text = r"'second' \(Log\): output .*1 NaN, 0 infinite"
    with detect_anomaly(module), pytest.raises(FloatingPointError, match=text):
        module(BAD)
    assert has_no_hooks(module)


def test_infinities_are_counted():
    with (
        pytest.raises(FloatingPointError, match=r"'first' \(Log\): output .*0 NaN, 2 infinite"),
        detect_anomaly(module := Chain()),
    ):
        module(jnp.zeros(2))


def test_child_is_named_before_its_parents_with_its_path():
    with (
        pytest.raises(FloatingPointError, match=r"'chain.second' \(Log\)"),
        detect_anomaly(module := Outer()),
    ):
        module(BAD)


def test_which_output():
    class Two(Module):
        def forward(self, x):
            return {"good": x, "bad": (x, jnp.log(-x), 3)}

    with (
        pytest.raises(FloatingPointError, match=r"Two: output\['bad'\]\[1\] "),
        detect_anomaly(module := Two()),
    ):
        module(GOOD)


def compiled_call(module, x):
    return jax.jit(module)(x)


def compiled_by_gradion(module, x):
    return gradion.jit(module)(x)


def compiled_gradient(module, x):
    return jax.jit(jax.grad(lambda x: module(x).sum()))(x)


def eager_gradient(module, x):
    return jax.grad(lambda x: module(x).sum())(x)


def gradient_of_compiled(module, x):
    return jax.grad(jax.jit(lambda x: module(x).sum()))(x)


def mapped(module, x):
    return jax.vmap(module)(x)


def compiled_and_mapped(module, x):
    return jax.jit(jax.vmap(module))(x)


def module_as_argument(module, x):
    return gradion.jit(gradion.value_and_grad(lambda m: m(x).sum()))(module)


WAYS = [
    compiled_call,
    compiled_by_gradion,
    compiled_gradient,
    eager_gradient,
    gradient_of_compiled,
    mapped,
    compiled_and_mapped,
    module_as_argument,
]


@pytest.mark.parametrize("way", WAYS)
def test_transformed_calls(way):
    module = Chain()
    text = r"'second' \(Log\): output"
    with pytest.raises(FloatingPointError, match=text), detect_anomaly(module):
        way(module, BAD)
    assert has_no_hooks(module)


@pytest.mark.parametrize("way", WAYS)
def test_transformed_calls_that_are_good(way):
    module = Chain()
    with detect_anomaly(module):
        way(module, GOOD)


@pytest.mark.parametrize("way", [eager_gradient, compiled_gradient, gradient_of_compiled])
def test_gradient_that_is_not_finite(way):
    # The square root is fine at zero, its derivative is not: the gradient of the output of
    # the Module before it is the first that is infinite.
    class Before(Module):
        def __init__(self):
            super().__init__()
            self.same = Same()
            self.root = Root()

        def forward(self, x):
            return self.root(self.same(x))

    class Same(Module):
        def forward(self, x):
            return 1.0 * x

    module = Before()
    text = r"'same' \(Same\): gradient of output .*0 NaN, 1 infinite"
    with pytest.raises(FloatingPointError, match=text), detect_anomaly(module):
        way(module, jnp.array([0.0, 1.0]))


def test_which_outputs_gradient():
    class Two(Module):
        def forward(self, x):
            return x, 2 * x

    def loss(x):
        a, b = module(x)
        return (a + jnp.sqrt(b)).sum()

    module = Two()
    with (
        pytest.raises(FloatingPointError, match="Two: gradient of output 1 "),
        detect_anomaly(module),
    ):
        jax.grad(loss)(jnp.zeros(2))


def test_first_step_that_fails_is_told():
    module = Chain()
    step = jax.jit(lambda x: module(x))
    infinite_in_the_first_module = jnp.array([0.0, 0.5])
    with (
        pytest.raises(FloatingPointError, match="'second'.*2 NaN"),
        detect_anomaly(module),
    ):
        list(map(step, (GOOD, jnp.array([0.5, 0.5]), infinite_in_the_first_module)))


def test_within_scan():
    module = Log()

    def loop(x):
        return jax.lax.scan(lambda c, _: (module(c), None), x, None, length=3)[0]

    with (
        pytest.raises(FloatingPointError, match=r"Log: output .*1 NaN, 0 infinite"),
        detect_anomaly(module),
    ):
        jax.jit(loop)(jnp.array([2.0, 100.0]))


def test_block_within_a_compiled_function():
    module = Chain()

    @jax.jit
    def watched(x):
        with detect_anomaly(module):
            return module(x)

    assert watched(GOOD).tolist() == module(GOOD).tolist()

    def run():
        jax.block_until_ready(watched(BAD))
        jax.effects_barrier()

    with pytest.raises(jax.errors.JaxRuntimeError, match=r"'second' \(Log\): output"):
        run()
    assert has_no_hooks(module)


def test_block_within_a_gradient():
    module = Chain()

    def loss(x):
        with detect_anomaly(module):
            return module(x).sum()

    with pytest.raises(FloatingPointError, match="'second'"):
        jax.grad(loss)(BAD)
    assert has_no_hooks(module)


def test_error_that_travels_is_not_replaced():
    module = Chain()

    def fail():
        jax.block_until_ready(jax.jit(module)(BAD))
        raise KeyError

    with pytest.raises(KeyError), detect_anomaly(module):
        fail()
    assert has_no_hooks(module)


def test_forward_mode_with_outputs_alone():
    module = Chain()
    with detect_anomaly(module, gradients=False):
        jax.jvp(lambda x: module(x), (GOOD,), (GOOD,))
    with (
        pytest.raises(FloatingPointError, match="'second'"),
        detect_anomaly(module, gradients=False),
    ):
        jax.jvp(lambda x: module(x), (BAD,), (BAD,))


def test_forward_mode_with_gradients_raises():
    module = Chain()
    with pytest.raises(TypeError, match="Chain.*backward pre hook"), detect_anomaly(module):
        jax.jvp(lambda x: module(x), (GOOD,), (GOOD,))


def test_integers_are_passed_over():
    class Whole(Module):
        def forward(self, x):
            return x, "text", None

    with detect_anomaly(module := Whole()):
        module(jnp.arange(3))


def test_hooks_of_the_user_stay():
    module, events = Chain(), []
    module.first.register_forward_hook(lambda *_: events.append("mine"))
    with detect_anomaly(module):
        module(GOOD)
    module(GOOD)
    assert events == ["mine", "mine"]
