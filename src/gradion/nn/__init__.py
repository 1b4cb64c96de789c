"""Learned layers: what the examples and the surrogates of gradion are built of.

Parameters are float32 unless `dtype` says otherwise. Random numbers come from keys that are
arguments.
"""

from gradion.nn.activation import Activation
from gradion.nn.batch_norm import BatchNorm
from gradion.nn.dropout import Dropout
from gradion.nn.lazy_linear import LazyLinear
from gradion.nn.linear import Linear
from gradion.nn.lltm import LLTM, lltm_cell
from gradion.nn.shape_error import ShapeError

__all__ = [
    "Activation",
    "BatchNorm",
    "Dropout",
    "LLTM",
    "LazyLinear",
    "Linear",
    "ShapeError",
    "lltm_cell",
]
