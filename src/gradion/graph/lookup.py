"""Table look-up as one operation: which calls of a traced program are `jnp.searchsorted`.

JAX writes a search as many operations, others for each method, version and transformation. What
it writes is therefore not described here but asked for: a call of that name is a search if its
program is the one that JAX makes of `jnp.searchsorted` for the same shapes. Anything else is taken
as it stands.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any, Final

import jax
import jax.numpy as jnp

from gradion.foundation.compat.jaxpr import Equation, Program, trace

__all__ = ["search_side"]

_METHODS: Final = ("compare_all", "scan", "scan_unrolled", "sort")
# How often the values are mapped, before and after the search is differentiated.
_MAPS: Final = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2))
# Whether the table and the values have tangents: the search has none, but its program takes them.
_TANGENTS: Final = ((False, False), (True, True), (True, False), (False, True))
_Shaped = tuple[str, tuple[int, ...]]
_Search = Callable[..., Any]


def search_side(equation: Equation, program: Program) -> bool | None:
    """Whether a call is a search from the right; None if it is no search.

    The table is its first argument, of one axis, the values its second, of any shape.
    """
    if equation.params.get("name") != "searchsorted" or len(program.inputs) < 2:
        return None
    table, values = ((v.dtype, v.shape) for v in program.inputs[:2])
    if len(table[1]) != 1:
        return None
    for tangents, maps in itertools.product(_TANGENTS, _MAPS):
        if len(program.inputs) != 2 + sum(tangents) or sum(maps) > len(values[1]):
            continue
        for method, right in itertools.product(_METHODS, (True, False)):
            if program == _candidate(table, values, right, method, maps, tangents):
                return right
    return None


@functools.lru_cache(maxsize=1024)
def _candidate(
    table: _Shaped,
    values: _Shaped,
    right: bool,
    method: str,
    maps: tuple[int, int],
    tangents: tuple[bool, bool],
) -> Program | None:
    """What JAX makes of the search under these transformations."""

    def search(nodes: Any, x: Any) -> Any:
        return jnp.searchsorted(nodes, x, side="right" if right else "left", method=method)

    function: _Search = search
    for _ in range(maps[0]):
        function = jax.vmap(function, (None, 0))
    if any(tangents):
        function = _with_tangents(function, tangents)
    axes = (None, 0, *(axis for axis, given in zip((None, 0), tangents, strict=True) if given))
    for _ in range(maps[1]):
        function = jax.vmap(function, axes)
    given = [s for s, wanted in zip((table, values), tangents, strict=True) if wanted]
    shapes = [jax.ShapeDtypeStruct(shape, dtype) for dtype, shape in (table, values, *given)]
    outer = trace(lambda *arrays: [function(*arrays)], shapes)
    calls = [e.params["jaxpr"] for e in outer.equations if e.params.get("name") == "searchsorted"]
    return calls[0] if len(calls) == 1 else None


def _with_tangents(function: _Search, tangents: tuple[bool, bool]) -> _Search:
    """The search while the arguments that have tangents are differentiated."""

    def differentiated(nodes: Any, x: Any, *given: Any) -> Any:
        points = [p for p, wanted in zip((nodes, x), tangents, strict=True) if wanted]

        def of_points(*arrays: Any) -> Any:
            rest = iter(arrays)
            chosen = [
                next(rest) if wanted else p for p, wanted in zip((nodes, x), tangents, strict=True)
            ]
            return function(*chosen)

        return jax.jvp(of_points, tuple(points), given)[0]

    return differentiated
