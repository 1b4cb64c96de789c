"""DataSet: weights, padding, rms, and what it refuses."""

import numpy as np
import pytest

from gradion.fit import DataSet, Role
from gradion.foundation.errors import InputError


def test_weights_sum_to_the_number_of_points_used(kit):
    data = kit.decay_data(weights=np.r_[np.zeros(10), np.linspace(1.0, 7.0, 40)])
    assert data.count == 40
    assert np.sum(data.weights) == pytest.approx(40.0)


def test_rms_is_that_of_the_quadrature_and_ignores_padding(kit):
    data = DataSet(
        name="d",
        observable=kit.DecayObservable(),
        inputs=np.zeros(4),
        measured=np.array([1.0, 2.0, 3.0, np.nan]),
        weights=np.array([1.0, 2.0, 1.0, 0.0]),
    )
    # Padding may be predicted as anything.
    rms = data.rms(np.array([2.0, 2.0, 5.0, np.inf]))
    assert rms == pytest.approx(np.sqrt((1.0 * 1.0 + 1.0 * 4.0) / 4.0))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"measured": np.r_[np.zeros(7), np.nan, np.zeros(42)]}, "measured[7] is nan"),
        ({"inputs": np.r_[np.zeros(3), np.inf, np.zeros(46)]}, "inputs[3] is inf"),
        ({"weights": -np.ones(50)}, "weights[0] is -1"),
        ({"weights": np.zeros(50)}, "every weight is 0"),
        ({"weights": np.ones(3)}, "3 weights for 50 points"),
        ({"sigma": 0.0}, "sigma is 0.0"),
        ({"measured": np.zeros((2, 2))}, "measured has shape (2, 2)"),
    ],
)
def test_refusals_name_the_data_set_and_the_index(kit, given, message):
    with pytest.raises(InputError) as raised:
        kit.decay_data("rate 1C", **given)
    assert str(raised.value).startswith("data set 'rate 1C': ")
    assert message in str(raised.value)


def test_role_and_observable_are_objects(kit):
    with pytest.raises(TypeError, match="expected a Role"):
        kit.decay_data(role="fit")
    with pytest.raises(TypeError, match="expected an AbstractObservable"):
        kit.decay_data(observable=None)
    assert kit.decay_data(role=Role.VALIDATE).role is Role.VALIDATE


def test_arrays_cannot_be_changed_behind_the_fit(kit):
    data = kit.decay_data()
    with pytest.raises(ValueError, match="read-only"):
        data.measured[0] = 7.0
