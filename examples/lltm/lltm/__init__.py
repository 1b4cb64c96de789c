"""The LLTM cell in C++ and CUDA: an operator, and a Module that calls it."""

from lltm.cell import lltm, lltm_cell
from lltm.module import LLTM

__all__ = ["LLTM", "lltm", "lltm_cell"]
