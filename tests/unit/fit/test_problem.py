"""Problem: choice of parameters, residuals, derivatives, one copy of the model."""

from dataclasses import dataclass

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest

from gradion.fit import AbstractObservable, FitError, Problem, Role, program
from gradion.fit.transform import Identity, Logit, LogLogit
from gradion.foundation.errors import InputError
from gradion.module import LogNormalPrior, Module, NormalPrior, Parameter


def test_transforms_follow_the_bounds(kit):
    a, k, c = kit.decay_problem().coordinates
    assert a.transform == Logit(0.1, 9.0)
    assert k.transform == LogLogit(1e-3, 100.0)
    assert c.transform == Identity(0.1)
    assert (a.label, a.unit, a.source) == ("a", "V", "a made-up table")


def test_values_and_module_at_agree(kit):
    problem = kit.decay_problem()
    np.testing.assert_allclose(problem.values(problem.z_start), [1.0, 0.5, 0.1], rtol=1e-14)
    z = problem.z_of(np.array([3.0, 20.0, -4.0]))
    module = problem.module_at(z)
    np.testing.assert_allclose([module.a, module.k, module.c], [3.0, 20.0, -4.0], rtol=1e-13)
    assert float(problem.module.a) == 1.0


def test_residuals_are_as_documented(kit):
    weights = np.r_[np.linspace(1.0, 3.0, 45), np.zeros(5)]
    data = kit.decay_data(weights=weights)
    problem = Problem(
        kit.Decay(),
        ["a", "k"],
        [data],
        priors={"a": NormalPrior(2.0, 0.5), "k": LogNormalPrior(1.0, 0.2)},
    )
    z = problem.z_of(np.array([1.5, 0.7]))
    predicted = 1.5 * np.exp(-0.7 * data.inputs) + 0.1
    w = weights * 45 / weights.sum()
    expected = np.r_[
        np.sqrt(w) * (predicted - data.measured) / 0.01, (1.5 - 2.0) / 0.5, np.log(0.7) / 0.2
    ]
    expected[45:50] = 0.0
    np.testing.assert_allclose(problem.residuals(z), expected, rtol=1e-10, atol=1e-10)
    cost, _ = problem.value_and_gradient(z)
    assert cost == pytest.approx(0.5 * np.sum(expected**2), rel=1e-12)
    rms = problem.rms(z)["data"]
    assert np.sum(expected[:50] ** 2) == pytest.approx(45 * (rms / 0.01) ** 2, rel=1e-12)


def test_jacobian_slopes_and_gradient_are_exact(kit):
    problem = kit.decay_problem()
    z = problem.z_of(np.array([1.5, 0.7, 0.2]))
    r, jacobian = problem.residuals_and_jacobian(z)
    t = np.tile(problem.datasets[0].inputs, 2)
    by_values = np.stack([np.exp(-0.7 * t), -1.5 * t * np.exp(-0.7 * t), np.ones_like(t)], axis=1)
    np.testing.assert_allclose(
        jacobian, by_values * problem.slopes(z) / 0.01, rtol=1e-10, atol=1e-9
    )
    # Slopes in closed form: a logit, a logit in the logarithm, a scale.
    fraction = np.log(0.7 / 1e-3) / np.log(1e5)
    expected = [1.4 * 7.5 / 8.9, 0.7 * np.log(1e5) * fraction * (1.0 - fraction), 0.1]
    np.testing.assert_allclose(problem.slopes(z), expected, rtol=1e-12)
    value, gradient = problem.value_and_gradient(z)
    assert value == pytest.approx(problem.cost(z), rel=1e-12)
    np.testing.assert_allclose(gradient, jacobian.T @ r, rtol=1e-9)


def test_validation_data_are_predicted_but_not_fitted(kit):
    problem = kit.decay_problem()
    assert problem.residuals(problem.z_start).size == 100
    assert set(problem.predictions(problem.z_start)) == {"first", "second", "third"}
    assert problem.count == 100
    with pytest.raises(InputError, match="third"):
        problem.rows("third")


def _count_exps(jaxpr) -> int:
    """Number of exp in a program, inner programs included."""
    total = 0
    for equation in jaxpr.eqns:
        total += equation.primitive.name == "exp"
        for inner in jax.extend.core.jaxprs_in_params(equation.params):
            total += _count_exps(inner)
    return total


def test_the_program_holds_the_model_once(kit):
    counts = []
    for number in (1, 2, 7):
        datasets = [kit.decay_data(f"set {i}", seed=i) for i in range(number)]
        problem = Problem(kit.Decay(), ["c"], datasets)
        layout, data = problem._everything
        jaxpr = jax.make_jaxpr(program.evaluate, static_argnums=0)(
            layout, problem.module, jnp.asarray(problem.z_start), data
        )
        counts.append(_count_exps(jaxpr.jaxpr))
    assert counts[0] == counts[1] == counts[2] > 0


def test_other_data_and_values_do_not_compile_again(kit):
    problem = kit.decay_problem()
    problem.residuals_and_jacobian(problem.z_start)
    before = program.evaluate._cache_size()
    datasets = [kit.decay_data(f"other {i}", seed=10 + i, sigma=0.3) for i in range(3)]
    other = Problem(kit.Decay(a=3.0, c=0.1), ["*"], datasets)
    assert other.residuals_and_jacobian(other.z_start)[1].shape == (150, 3)
    held = problem.holding(["k"])
    _, jacobian = held.residuals_and_jacobian(held.z_start)
    assert jacobian.shape == (100, 2)
    assert program.evaluate._cache_size() == before


@dataclass(frozen=True)
class _Scaled(AbstractObservable):
    """A decay in another unit, as an observable with a setting."""

    factor: float

    def predict(self, module, inputs):
        return self.factor * module.a * jnp.exp(-module.k * inputs["time"])


class _Probe(Module, AbstractObservable):
    """An observable that holds arrays."""

    def __init__(self, gain):
        super().__init__()
        self.register_buffer("gain", np.asarray(gain))

    def predict(self, module, inputs):
        return self.gain * module.a * jnp.exp(-module.k * inputs)


def test_unlike_data_sets_share_one_problem(kit):
    times = np.linspace(0.0, 1.0, 9)
    scaled = kit.decay_data(
        "scaled", observable=_Scaled(2.0), inputs={"time": times}, measured=np.zeros(9)
    )
    probe = kit.decay_data("probe", observable=_Probe(3.0), inputs=times, measured=np.zeros(9))
    problem = Problem(kit.Decay(), ["a"], [scaled, kit.decay_data("plain"), probe])
    found = problem.predictions(problem.z_start)
    np.testing.assert_allclose(found["scaled"], 2.0 * np.exp(-0.5 * times), rtol=1e-12)
    np.testing.assert_allclose(found["probe"], 3.0 * np.exp(-0.5 * times), rtol=1e-12)
    assert problem.residuals(problem.z_start)[problem.rows("plain")].size == 50


def test_globs_shared_and_untrainable_parameters(kit):
    module = kit.Decay()
    module.get_parameter("c").trainable = False
    assert Problem(module, ["*"], [kit.decay_data()]).labels == ("a", "k")
    with pytest.raises(InputError, match="'c' is not trainable"):
        Problem(module, ["c"], [kit.decay_data()])
    with pytest.raises(InputError, match="unknown parameter 'kk'; did you mean 'k'"):
        Problem(module, ["kk"], [kit.decay_data()])
    with pytest.raises(TypeError, match="expected a sequence of names"):
        Problem(module, "a", [kit.decay_data()])


def test_array_parameters_give_a_coordinate_each(kit):
    times = np.linspace(0.0, 1.0, 5)
    data = kit.decay_data(observable=kit.LineObservable(), inputs=times, measured=np.zeros(5))
    problem = Problem(kit.Line((1.0, -2.0)), ["coefficients"], [data])
    assert problem.labels == ("coefficients[0]", "coefficients[1]")
    np.testing.assert_allclose(
        problem.module_at(problem.z_of(np.array([4.0, 5.0]))).coefficients, [4.0, 5.0]
    )
    assert problem.holding(["coefficients[1]"]).labels == ("coefficients[0]",)
    assert problem.holding(["coefficients[1]"]).held[0].start == -2.0


def test_bounds_of_the_problem_go_with_the_module(kit):
    module = kit.Decay()
    problem = Problem(
        module, ["*"], [kit.decay_data()], bounds={"c": (0.0, None), "a": (0.5, 20.0)}
    )
    assert problem.coordinates[0].bounds == (0.5, 20.0)
    assert problem.module.get_parameter("c").bounds == (0.0, float("inf"))
    assert module.get_parameter("c").bounds is None


@pytest.mark.parametrize("start", [1.0, 0.5])
def test_a_start_outside_or_on_its_bounds_is_refused(kit, start):
    with pytest.raises(InputError) as raised:
        Problem(kit.Decay(a=start), ["a"], [kit.decay_data()], bounds={"a": (1.0, 4.0)})
    said = str(raised.value)
    assert said.startswith("parameter 'a': starts at ")
    assert "(1, 4)" in said


def test_wrong_lists_are_refused(kit):
    data = kit.decay_data()
    with pytest.raises(InputError, match="stands twice"):
        Problem(kit.Decay(), ["a"], [data, data])
    with pytest.raises(InputError, match="no data set to fit"):
        Problem(kit.Decay(), ["a"], [kit.decay_data(role=Role.VALIDATE)])
    with pytest.raises(InputError, match="no parameter is chosen"):
        Problem(kit.Decay(), [], [data])
    with pytest.raises(InputError, match="bounds: unknown fitted parameter 'b'"):
        Problem(kit.Decay(), ["a"], [data], bounds={"b": (0.0, 1.0)})
    with pytest.raises(InputError, match="held: unknown fitted parameter 'k'"):
        Problem(kit.Decay(), ["a"], [data], held=["k"])


def test_a_failing_start_names_the_data_set(kit):
    def nan_after(inputs):
        return np.where(inputs > 2.0, 1e6, inputs)

    data = kit.decay_data("hot", inputs=nan_after(np.linspace(0, 4, 50)), observable=_Overflow())
    problem = Problem(kit.Decay(), ["a"], [kit.decay_data("cold"), data])
    with pytest.raises(FitError, match=r"data set 'hot': at the start 25 of 50 .* index 25"):
        problem.check_start()


@dataclass(frozen=True)
class _Overflow(AbstractObservable):
    """Infinite from some time on."""

    def predict(self, module, inputs):
        return module.a * jnp.exp(inputs)


def test_float32_parameters_keep_their_dtype(kit):
    module = kit.Decay()
    module.a = Parameter(np.float32(1.0), bounds=(0.1, 9.0), dtype=jnp.float32)
    problem = Problem(module, ["a"], [kit.decay_data()])
    assert problem.module_at(problem.z_start).a.dtype == jnp.float32


def test_z_of_the_wrong_length(kit):
    with pytest.raises(ValueError, match=r"z: got shape \(2,\), expected \(3,\)"):
        kit.decay_problem().residuals(np.zeros(2))
