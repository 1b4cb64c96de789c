"""JAX's record of a traced function, in terms that do not change between versions of JAX.

The one place in gradion that looks into a jaxpr. In jax 0.12 `Jaxpr` and `ClosedJaxpr` became one
class (jax issue 39009), and `scan` says by a tree what it said by two numbers.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

import jax
import jaxlib
import numpy as np
from jax.extend.core import Literal as _JaxLiteral

from gradion.foundation.compat.dimension import neutral_shape, neutral_size
from gradion.foundation.dimension import Size

__all__ = [
    "Atom",
    "Equation",
    "Literal",
    "MissingRuleOrderError",
    "Program",
    "SourceLine",
    "Variable",
    "trace",
]


@final
class MissingRuleOrderError(TypeError):
    """A function with a derivative rule of its own has no rule of this order any more."""


@final
@dataclass(frozen=True)
class SourceLine:
    """A line of code: the file's path and the line's number, from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        """Return file and line as compilers write them."""
        return f"{self.file}:{self.line}"


@final
@dataclass(frozen=True)
class Variable:
    """A value of a program: its number, unique in the program, and its dtype and shape."""

    number: int
    dtype: str
    shape: tuple[Size, ...]


@final
@dataclass(frozen=True, eq=False)
class Literal:
    """A scalar that stands in the program itself; equal if dtype and bits are."""

    value: np.ndarray

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and self._bits() == other._bits()

    def __hash__(self) -> int:
        return hash(self._bits())

    def _bits(self) -> tuple[str, bytes]:
        return self.value.dtype.name, self.value.tobytes()


Atom = Variable | Literal


@final
@dataclass(frozen=True)
class Equation:
    """One operation: `outputs = primitive(inputs)`.

    `params` are numbers, strings, None, tuples and dicts of such, and `Program`s; names of dtypes
    and enum members are strings. An object that only JAX understands stays as it is: programs that
    differ in one are not equal. A function with a derivative rule of its own has the rule's program
    as `rule`, if it was asked for. `scope` has the names of `jax.named_scope` and of the
    transformations, `source` the innermost line outside of JAX. Both are left out of comparisons.
    """

    primitive: str
    inputs: tuple[Atom, ...]
    outputs: tuple[Variable, ...]
    params: dict[str, Any]
    has_effects: bool
    scope: str = field(compare=False)
    source: SourceLine | None = field(compare=False)


@final
@dataclass(frozen=True)
class Program:
    """A traced function of flat arrays.

    `constants` are arrays that the function closed over, each once, with the variable that stands
    for it. Equations whose results nothing needs are left out. Variables are numbered in the order
    in which they occur, so that equal functions give equal programs.
    """

    inputs: tuple[Variable, ...]
    constants: tuple[tuple[Variable, Any], ...]
    equations: tuple[Equation, ...]
    outputs: tuple[Atom, ...]


def trace(
    function: Callable[..., Any], shapes: Sequence[jax.ShapeDtypeStruct], *, rule_order: int = 0
) -> Program:
    """The program of a function of flat arrays that returns a flat sequence of arrays.

    Up to order `rule_order` the derivative rules of `jax.custom_jvp` and `jax.custom_vjp` are kept
    as the parameter `rule` of their calls: for `custom_jvp_call` the program that takes the inputs
    and a tangent for each floating one, and gives the outputs and a tangent for each floating one;
    for `custom_vjp_call` the program that takes the inputs and a cotangent for each floating
    output, and gives a cotangent for each floating input. A rule may call its own function; at
    the order 0 it has no rule any more.

    Raises what the function raises.
    """
    return _Reader(rule_order).program(jax.make_jaxpr(function)(*shapes))


@final
class _Reader:
    """Reads one jaxpr with the jaxprs inside of it; each has variables of its own."""

    def __init__(self, rule_order: int) -> None:
        self._rule_order = rule_order
        self._numbers: dict[Any, Variable] = {}
        self._constants: dict[int, tuple[Variable, Any]] = {}

    def program(self, closed: Any) -> Program:
        jaxpr = getattr(closed, "jaxpr", closed)
        inputs = tuple(map(self._variable, jaxpr.invars))
        # An open jaxpr, such as the body of a scatter, closes over nothing.
        values = getattr(closed, "consts", ())
        for variable, value in zip(jaxpr.constvars, values, strict=True):
            self._numbers[variable] = self._constant(value)
        equations = tuple(self._equation(e) for e in _needed(jaxpr))
        outputs = tuple(map(self._atom, jaxpr.outvars))
        return Program(inputs, tuple(self._constants.values()), equations, outputs)

    def _variable(self, variable: Any) -> Variable:
        if variable not in self._numbers:
            aval = variable.aval
            self._numbers[variable] = Variable(
                self._next(), np.dtype(aval.dtype).name, neutral_shape(aval.shape)
            )
        return self._numbers[variable]

    def _constant(self, value: Any) -> Variable:
        # By identity: the array that two places close over is one constant.
        if id(value) not in self._constants:
            variable = Variable(self._next(), np.dtype(value.dtype).name, tuple(value.shape))
            self._constants[id(value)] = (variable, value)
        return self._constants[id(value)][0]

    def _next(self) -> int:
        return len(self._numbers) + len(self._constants)

    def _atom(self, atom: Any) -> Atom:
        if not isinstance(atom, _JaxLiteral):
            return self._variable(atom)
        if np.ndim(atom.val):
            return self._constant(atom.val)
        aval: Any = atom.aval
        return Literal(np.asarray(atom.val, aval.dtype))

    def _equation(self, equation: Any) -> Equation:
        name = equation.primitive.name
        info = equation.source_info
        scope, source = str(info.name_stack), _source_line(info.traceback)
        if name == "empty2":
            # What other branches of a conditional keep for the way back, and this one does not:
            # its number is never used.
            (out,) = map(self._variable, equation.outvars)
            zero = Literal(np.zeros((), out.dtype))
            given = {"shape": out.shape, "broadcast_dimensions": (), "sharding": None}
            return Equation("broadcast_in_dim", (zero,), (out,), given, False, scope, source)
        inputs = tuple(map(self._atom, equation.invars))
        params = {key: self._neutral(value) for key, value in equation.params.items()}
        if name in _RULES and self._rule_order:
            derived, shapes = _RULES[name](equation)
            # A program that was captured before has rules up to some order alone.
            with contextlib.suppress(MissingRuleOrderError):
                params["rule"] = trace(derived, shapes, rule_order=self._rule_order - 1)
        if "ft_in" in params:
            # jax 0.12: trees of (constants, carries, scanned) in place of two numbers.
            trees = equation.params["ft_in"].unpack()
            params["num_consts"], params["num_carry"] = (len(list(t.vals)) for t in trees[:2])
            params = {key: value for key, value in params.items() if not key.startswith("ft_")}
        outputs = tuple(map(self._variable, equation.outvars))
        return Equation(name, inputs, outputs, params, bool(equation.effects), scope, source)

    def _neutral(self, value: Any) -> Any:
        if isinstance(value, enum.Enum):
            return value.name
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.integer):
            return int(value)
        if hasattr(value, "eqns") or hasattr(getattr(value, "jaxpr", None), "eqns"):
            return _Reader(self._rule_order).program(value)
        if isinstance(value, np.dtype):
            return value.name
        if isinstance(value, tuple | list):
            fields = getattr(value, "_fields", None)
            items = tuple(map(self._neutral, value))
            return items if fields is None else dict(zip(fields, items, strict=True))
        return neutral_size(value)


def _needed(jaxpr: Any) -> list[Any]:
    """The equations that the outputs need, and those with effects."""
    wanted = set(_variables(jaxpr.outvars))
    kept = []
    for equation in reversed(jaxpr.eqns):
        if equation.effects or not wanted.isdisjoint(equation.outvars):
            kept.append(equation)
            wanted.update(_variables(equation.invars))
    return kept[::-1]


def _variables(atoms: Sequence[Any]) -> list[Any]:
    return [atom for atom in atoms if not isinstance(atom, _JaxLiteral)]


def _called(equation: Any) -> Callable[..., list[Any]]:
    """The equation as a function of its inputs."""
    found = equation.primitive.get_bind_params(equation.params)
    # Functions and parameters apart, or the functions among the parameters.
    functions, params = found if isinstance(found, tuple) else ((), found)

    def call(*arguments: Any) -> list[Any]:
        return list(equation.primitive.bind(*functions, *arguments, **params))

    return call


def _shapes(atoms: Sequence[Any]) -> list[jax.ShapeDtypeStruct]:
    avals = [atom.aval for atom in atoms]
    return [jax.ShapeDtypeStruct(a.shape, a.dtype, weak_type=a.weak_type) for a in avals]


def _floating(arrays: Sequence[Any]) -> list[int]:
    return [i for i, x in enumerate(arrays) if np.issubdtype(x.dtype, np.inexact)]


_Derived = tuple[Callable[..., list[Any]], list[jax.ShapeDtypeStruct]]


def _pushforward(equation: Any) -> _Derived:
    call, shapes = _called(equation), _shapes(equation.invars)
    places, kept = _floating(shapes), _floating(_shapes(equation.outvars))

    def pushed(*arrays: Any) -> list[Any]:
        points, tangents = arrays[: len(shapes)], arrays[len(shapes) :]
        smooth = _of_places(call, points, places)
        out, moved = jax.jvp(smooth, [points[i] for i in places], list(tangents))
        return [*out, *(moved[i] for i in kept)]

    return pushed, [*shapes, *(shapes[i] for i in places)]


def _pullback(equation: Any) -> _Derived:
    call, shapes = _called(equation), _shapes(equation.invars)
    results = _shapes(equation.outvars)
    places, kept = _floating(shapes), _floating(results)

    def pulled(*arrays: Any) -> list[Any]:
        points, cotangents = arrays[: len(shapes)], arrays[len(shapes) :]
        smooth = _of_places(call, points, places)
        pull = jax.vjp(lambda *x: [smooth(*x)[i] for i in kept], *[points[i] for i in places])[1]
        return list(pull(list(cotangents)))

    return pulled, [*shapes, *(results[i] for i in kept)]


def _of_places(
    call: Callable[..., list[Any]], points: Sequence[Any], places: Sequence[int]
) -> Callable[..., list[Any]]:
    """The call as a function of some of its arguments."""

    def smooth(*given: Any) -> list[Any]:
        arguments = list(points)
        for place, x in zip(places, given, strict=True):
            arguments[place] = x
        return call(*arguments)

    return smooth


# What a rule is of, by the name of the call.
_RULES: Final[dict[str, Callable[[Any], _Derived]]] = {
    "custom_jvp_call": _pushforward,
    "custom_vjp_call": _pullback,
}


# Frames of these are how the user's code came to be traced, not what it says.
_MACHINERY: Final = (
    str(Path(jax.__file__).parent),
    str(Path(jaxlib.__file__).parent),
    str(Path(__file__).parent),
    str(Path(__file__).parents[2] / "graph"),
    str(Path(__file__).parents[2] / "module"),
)


def _source_line(traceback: Any) -> SourceLine | None:
    if traceback is None:
        return None
    for frame in traceback.frames:
        if not frame.file_name.startswith(_MACHINERY):
            return SourceLine(frame.file_name, frame.line_num)
    return None
