"""The LLTM cell: an LSTM without a forget gate, whose candidate is an ELU."""

from __future__ import annotations

import math
from typing import final

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Key

from gradion.foundation.errors import InputError
from gradion.module.module import Module
from gradion.module.parameter import Parameter
from gradion.nn.shape_error import ShapeError

__all__ = ["LLTM", "lltm_cell"]

_State = tuple[Float[Array, "... state"], Float[Array, "... state"]]


@final
class LLTM(Module):
    """One step of a "long-long-term memory": `h, cell = lltm(x, (h, cell))`.

    x: (..., input_features); h and cell, old and new: (..., state_size). See `lltm_cell` for the
    formula. Parameters `weight` (3 state_size, state_size + input_features), whose first columns
    meet h, and `bias` (3 state_size,), both drawn uniformly from +-1/sqrt(state_size) with `key`.
    Names, shapes and order of the gates are those of PyTorch's tutorial on extensions in C++,
    which has this cell as its example; examples/lltm has it in C++ and CUDA.

    Raises InputError for a size below 0 and ShapeError for arrays that do not fit.
    """

    def __init__(
        self,
        input_features: int,
        state_size: int,
        *,
        key: Key[Array, ""],
        dtype: DTypeLike = jnp.float32,
    ) -> None:
        super().__init__()
        if input_features < 0 or state_size < 0:
            raise InputError(
                f"LLTM: got {input_features} input features and state size {state_size}, "
                "expected 0 or more"
            )
        self.input_features = input_features
        self.state_size = state_size
        bound = 1 / math.sqrt(state_size) if state_size else 0.0
        for_weight, for_bias = jax.random.split(key)
        shape = (3 * state_size, state_size + input_features)
        self.weight = Parameter(jax.random.uniform(for_weight, shape, dtype, -bound, bound))
        self.bias = Parameter(jax.random.uniform(for_bias, shape[:1], dtype, -bound, bound))

    def forward(self, x: Float[Array, "... features"], state: _State) -> _State:
        return lltm_cell(self.weight, self.bias, x, *state)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"input_features={self.input_features}, state_size={self.state_size}"


def lltm_cell(
    weight: Float[Array, "gates columns"],
    bias: Float[Array, " gates"],
    x: Float[Array, "... features"],
    old_h: Float[Array, "... state"],
    old_cell: Float[Array, "... state"],
) -> _State:
    """New h and new cell, (..., state) each, of one step.

    With X = [old_h, x] and gates = X weight^T + bias, in three parts of the size of the state:

        new_cell = old_cell + elu(gates_3) * sigmoid(gates_1)
        new_h = tanh(new_cell) * sigmoid(gates_2)

    Raises ShapeError where shapes do not fit: gates = 3 state, columns = state + features.
    """
    _check_shapes(weight, bias, x, old_h, old_cell)
    X = jnp.concatenate([old_h, x], axis=-1)
    for_input, for_output, for_candidate = jnp.split(X @ weight.T + bias, 3, axis=-1)
    input_gate = jax.nn.sigmoid(for_input)
    output_gate = jax.nn.sigmoid(for_output)
    # JAX's elu takes expm1 of what is at most 0: the branch not taken has a finite derivative.
    candidate = jax.nn.elu(for_candidate)
    new_cell = old_cell + candidate * input_gate
    new_h = jnp.tanh(new_cell) * output_gate
    return new_h, new_cell


def _check_shapes(weight: Array, bias: Array, x: Array, old_h: Array, old_cell: Array) -> None:
    gates, columns = weight.shape
    state = gates // 3
    features = columns - state
    if bias.shape != (gates,) or gates % 3:
        raise ShapeError(
            f"LLTM: got weight of shape {weight.shape} and bias of shape {bias.shape}, expected "
            "(3 state, state + features) and (3 state,)"
        )
    if jnp.ndim(x) == 0 or x.shape[-1] != features:
        raise ShapeError(f"LLTM: got x of shape {jnp.shape(x)}, expected (..., {features})")
    expected = (*x.shape[:-1], state)
    for name, array in (("old_h", old_h), ("old_cell", old_cell)):
        if jnp.shape(array) != expected:
            raise ShapeError(f"LLTM: got {name} of shape {jnp.shape(array)}, expected {expected}")
