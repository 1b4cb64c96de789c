"""Operations with code of their own: how each is written."""

from typing import Final

from gradion.graph.cpp.emitters.control import PREPARE, write_cond, write_scan, write_while
from gradion.graph.cpp.emitters.indexing import (
    write_dynamic_slice,
    write_dynamic_update_slice,
    write_gather,
    write_scatter,
)
from gradion.graph.cpp.emitters.product import write_dot
from gradion.graph.cpp.emitters.reduction import write_position, write_reduction, write_running
from gradion.graph.cpp.emitters.search import write_search

__all__ = ["EMITTERS", "PREPARE"]

EMITTERS: Final = {
    **dict.fromkeys(
        ("reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_and", "reduce_or"),
        write_reduction,
    ),
    **dict.fromkeys(("argmax", "argmin"), write_position),
    **dict.fromkeys(("cumsum", "cumprod", "cummax", "cummin"), write_running),
    "dot_general": write_dot,
    "gather": write_gather,
    "scatter": write_scatter,
    "scatter_add": write_scatter,
    "dynamic_slice": write_dynamic_slice,
    "dynamic_update_slice": write_dynamic_update_slice,
    "searchsorted": write_search,
    "cond": write_cond,
    "while": write_while,
    "scan": write_scan,
}
