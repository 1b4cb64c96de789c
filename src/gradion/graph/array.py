"""Functions of arrays for tensors of a graph: each is the one of JAX of the same name, captured.

`gradion.graph.array.sin(x)` adds to the graph of x what `jnp.sin` does. NumPy's own functions of
these names do the same when they meet a Tensor. Any other function of JAX: `apply(function, x)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np

from gradion.foundation.errors import unknown_name
from gradion.graph.build.apply import apply

__all__ = ["FUNCTIONS", "by_numpy_name"]

_NUMPY: Final = """
    abs absolute add all any arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax
    argmin array_equal astype atleast_1d atleast_2d average bitwise_and bitwise_not bitwise_or
    bitwise_xor broadcast_to cbrt ceil clip concatenate cos cosh cross cumprod cumsum deg2rad
    diag diff divide divmod dot einsum equal exp exp2 expand_dims expm1 flip float_power
    floor floor_divide fmax fmin full_like gradient greater greater_equal heaviside hstack hypot
    inner interp isfinite isinf isnan kron less less_equal linspace log log10 log1p log2 logaddexp
    logical_and logical_not logical_or logical_xor matmul max maximum mean meshgrid min minimum
    mod moveaxis multiply nan_to_num negative not_equal ones_like outer pad positive power prod
    ptp rad2deg ravel reciprocal remainder repeat reshape rint roll round searchsorted sign
    sin sinh split sqrt square squeeze stack std subtract sum swapaxes take take_along_axis
    tan tanh tensordot tile trace transpose trapezoid tril triu true_divide trunc var vdot vstack
    where zeros_like
""".split()  # noqa: SIM905 - a hundred names, to be read
_NETWORK: Final = """
    celu elu gelu hard_sigmoid hard_tanh leaky_relu log_sigmoid log_softmax logsumexp one_hot relu
    relu6 selu sigmoid silu soft_sign softmax softplus
""".split()  # noqa: SIM905


def _captured(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def captured(*arguments: Any, **options: Any) -> Any:
        return apply(function, *arguments, **options)

    captured.__name__ = captured.__qualname__ = name
    captured.__doc__ = f"Add what {function.__module__}.{name} does to the graph of its tensors."
    return captured


def _diagonal(matrix: Any, k: int) -> Any:
    n = max(min(matrix.shape[0] + min(k, 0), matrix.shape[1] - max(k, 0)), 0)
    rows = np.arange(n) - min(k, 0)
    return matrix[rows, rows + k]


def _diag(v: Any, k: int = 0) -> Any:
    # jnp.diag of a matrix is another program on each platform.
    return _diagonal(v, k) if v.ndim == 2 else jnp.diag(v, k)


# The documented set, by name.
FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    **{name: _captured(name, getattr(jnp, name)) for name in _NUMPY},
    "diag": _captured("diag", _diag),
    **{name: _captured(name, getattr(jax.nn, name)) for name in _NETWORK},
}


def __getattr__(name: str) -> Callable[..., Any]:
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    raise AttributeError(str(unknown_name("function of graph arrays", name, FUNCTIONS)))


def __dir__() -> list[str]:
    return sorted([*FUNCTIONS, *__all__])


def by_numpy_name(name: str) -> Callable[..., Any] | None:
    """The function for NumPy's of this name, or None."""
    return FUNCTIONS.get(name) if name in _NUMPY else None
