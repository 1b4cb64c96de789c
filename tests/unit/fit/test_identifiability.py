"""What the data cannot tell is found, named and held."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest

from gradion.fit import (
    AbstractObservable,
    DataSet,
    FitError,
    IdentifiabilityRule,
    Problem,
    Verdict,
    choose_identifiable,
    fit,
)
from gradion.module import Module, Parameter


class MichaelisMenten(Module):
    """v = k_cat E s / (K_m + s): only the product of k_cat and E shows."""

    def __init__(self) -> None:
        super().__init__()
        self.k_cat = Parameter(5.0, unit="1/s", bounds=(0.1, 100.0), source="guess")
        self.E = Parameter(0.3, unit="mol/m^3", bounds=(0.01, 1.0))
        self.K_m = Parameter(2.0, unit="mol/m^3", bounds=(0.01, 100.0))
        self.unused = Parameter(1.0, bounds=(0.1, 10.0))


@dataclass(frozen=True)
class _Rate(AbstractObservable):
    def predict(self, module, inputs):
        return module.k_cat * module.E * inputs / (module.K_m + inputs) + 0.0 * module.unused


@pytest.fixture(scope="module")
def enzyme():
    s = np.geomspace(0.1, 50.0, 60)
    errors = 0.01 * np.random.default_rng(0).standard_normal(60)
    data = DataSet(
        name="rate", observable=_Rate(), inputs=s, measured=2.0 * s / (4.0 + s) + errors, sigma=0.01
    )
    return Problem(MichaelisMenten(), ["*"], [data])


def test_choice_before_any_fit(enzyme):
    kept, dropped = choose_identifiable(enzyme)
    assert "K_m" in kept.labels
    assert len(kept.labels) == 2
    reasons = {d.label: d.reason for d in dropped}
    assert "relative standard error" in reasons.pop("unused")
    (product,) = reasons
    assert product in ("k_cat", "E")
    assert all(d.round == 0 for d in dropped)
    assert [d.value for d in dropped if d.label == "unused"] == [1.0]


def test_dropping_leads_to_a_fit_in_which_all_are_identifiable(enzyme):
    result = fit(enzyme, drop_unidentifiable=IdentifiabilityRule())
    assert {p.label for p in result.parameters} | {d.label for d in result.dropped} == {
        "k_cat",
        "E",
        "K_m",
        "unused",
    }
    assert "unused" in {d.label for d in result.dropped}
    assert [d.round for d in result.dropped] == [1, 2]
    assert all(p.verdict is Verdict.IDENTIFIABLE for p in result.parameters)
    # Dropped ones stay where they were published.
    assert float(result.module.unused) == 1.0
    known = result.module
    assert float(known.k_cat * known.E) == pytest.approx(2.0, rel=0.02)
    assert float(known.K_m) == pytest.approx(4.0, rel=0.05)
    assert {item.round for item in result.iterations} == {0, 1, 2}
    alone = fit(enzyme.holding([d.label for d in result.dropped]))
    assert [p.fitted for p in alone.parameters] == [p.fitted for p in result.parameters]


@pytest.mark.parametrize("order", [("k_cat", "E", "K_m"), ("E", "K_m", "k_cat")])
def test_of_two_that_imitate_each_other_the_one_listed_last_is_given_up(enzyme, order):
    problem = Problem(MichaelisMenten(), order, enzyme.datasets)
    assert problem.labels == order
    (dropped,) = fit(problem, drop_unidentifiable=IdentifiabilityRule()).dropped
    assert dropped.label == max(("k_cat", "E"), key=order.index)


def test_without_a_rule_all_stay_and_are_judged(enzyme):
    result = fit(enzyme)
    verdicts = {p.label: p.verdict for p in result.parameters}
    assert verdicts["K_m"] is Verdict.IDENTIFIABLE
    assert verdicts["unused"] is Verdict.NOT
    assert Verdict.NOT in (verdicts["k_cat"], verdicts["E"])
    weakest = result.identifiability.directions[:2]
    assert {abs(d.singular_value) < 1e-6 for d in weakest} == {True}
    shares = [dict(d.composition) for d in weakest]
    for share in shares:
        # Products show as equal and opposite changes, and K_m is in none of them.
        assert share["k_cat"] == pytest.approx(-share["E"], abs=1e-6)
        assert abs(share["K_m"]) < 1e-6
    assert list(result.identifiability.singular_values) == sorted(
        result.identifiability.singular_values, reverse=True
    )


def test_correlated_parameters_by_closed_form(kit):
    # Intercept and slope far from the origin: their correlation is known.
    t = np.linspace(10.0, 11.0, 200)
    errors = np.random.default_rng(0).standard_normal(200)
    data = DataSet(
        name="d", observable=kit.LineObservable(), inputs=t, measured=2e3 + 300.0 * t + errors
    )
    problem = Problem(kit.Line((2.0e3, 300.0)), ["*"], [data])
    result = fit(problem)
    expected = -t.mean() / np.sqrt(np.mean(t**2))
    assert result.uncertainty.plain.correlation[0, 1] == pytest.approx(expected, abs=1e-6)
    strict = IdentifiabilityRule(max_correlation=0.99, weak_correlation=0.9)
    assert Verdict.NOT in [
        p.verdict for p in fit(problem, drop_unidentifiable=None).parameters
    ] or (abs(expected) < 0.999)
    dropped = fit(problem, drop_unidentifiable=strict).dropped
    assert len(dropped) == 1
    assert "correlation" in dropped[0].reason


class _Pushed(Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = Parameter(0.5, bounds=(0.0, 1.0))
        self.b = Parameter(1.0, bounds=(0.1, 5.0))


@dataclass(frozen=True)
class _Sum(AbstractObservable):
    def predict(self, module, inputs):
        return module.a + module.b * inputs


@pytest.fixture(scope="module")
def pushed():
    t = np.linspace(0.0, 1.0, 40)
    errors = 0.01 * np.random.default_rng(0).standard_normal(40)
    data = DataSet(name="d", observable=_Sum(), inputs=t, measured=1.5 + t + errors, sigma=0.01)
    return Problem(_Pushed(), ["*"], [data])


def test_a_parameter_at_its_bound_is_flagged(pushed):
    result = fit(pushed)
    a, b = result.parameters
    assert a.at_bound
    assert a.verdict is Verdict.AT_BOUND
    assert a.fitted == pytest.approx(1.0, abs=1e-3)
    assert np.isnan(a.standard_error)
    assert not b.at_bound
    # The error of the other is that with the first one fixed at its bound.
    t = pushed.datasets[0].inputs
    s = result.uncertainty.noise_scale * 0.01
    assert result.uncertainty.plain.standard_errors[1] == pytest.approx(
        s / np.sqrt(np.sum(t**2)), rel=1e-3
    )


def test_a_parameter_at_its_bound_is_dropped_if_the_rule_says_so(pushed):
    result = fit(pushed, drop_unidentifiable=IdentifiabilityRule())
    assert [d.label for d in result.dropped] == ["a"]
    assert result.dropped[0].reason == "ended at a bound"
    kept = fit(pushed, drop_unidentifiable=IdentifiabilityRule(drop_at_bound=False))
    assert kept.dropped == ()


def test_the_last_parameter_is_kept():
    data = DataSet(
        name="d",
        observable=_Rate(),
        inputs=np.ones(8),
        measured=np.random.default_rng(0).standard_normal(8),
    )
    result = fit(
        Problem(MichaelisMenten(), ["unused"], [data]), drop_unidentifiable=IdentifiabilityRule()
    )
    assert [p.label for p in result.parameters] == ["unused"]
    assert result.parameters[0].verdict is Verdict.NOT


@dataclass(frozen=True)
class _NoNumber(AbstractObservable):
    def predict(self, module, inputs):
        return module.k_cat * inputs * jnp.nan


def test_choice_at_a_failing_start():
    data = DataSet(name="d", observable=_NoNumber(), inputs=np.ones(3), measured=np.ones(3))
    with pytest.raises(FitError, match="data set 'd'"):
        choose_identifiable(Problem(MichaelisMenten(), ["k_cat"], [data]))


@pytest.mark.parametrize(
    "settings",
    [
        {"max_relative_error": 0.01},
        {"weak_correlation": 0.9999},
        {"bound_tolerance": 0.6},
        {"max_correlation": 1.1},
    ],
)
def test_limits_out_of_order(settings):
    with pytest.raises(ValueError, match="expected"):
        IdentifiabilityRule(**settings)
