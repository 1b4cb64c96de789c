"""Formulas as text in data files, read by a whitelist and never executed.

The grammar is that of BPX with a few more functions: numbers, declared variables, the operators
``+ - * / **``, unary signs, parentheses, and the functions of one argument in
`FORMULA_FUNCTIONS`. Python's parser makes the tree; each node of it is then checked against the
whitelist, so that a formula can do arithmetic and nothing else.
"""

from __future__ import annotations

import ast
import dataclasses
import keyword
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from gradion.foundation.errors import InputError, near_names

__all__ = ["FORMULA_FUNCTIONS", "Formula"]

_MAX_LENGTH = 4000
# Deep enough for a sum of some 200 terms, shallow enough for Python's recursion limit.
_MAX_DEPTH = 250
# x**n with a whole n of at most this size is computed by products: exact, also for x <= 0.
_MAX_WHOLE_EXPONENT = 64

_JAX_FUNCTIONS: dict[str, Callable[[Any], jax.Array]] = {
    "abs": jnp.abs,
    "asinh": jnp.arcsinh,
    "cos": jnp.cos,
    "cosh": jnp.cosh,
    "exp": jnp.exp,
    "log": jnp.log,
    "log10": jnp.log10,
    "sin": jnp.sin,
    "sinh": jnp.sinh,
    "sqrt": jnp.sqrt,
    "tan": jnp.tan,
    "tanh": jnp.tanh,
}
_FLOAT_FUNCTIONS: dict[str, Callable[[float], float]] = {
    name: abs if name == "abs" else getattr(math, name) for name in _JAX_FUNCTIONS
}
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}

FORMULA_FUNCTIONS: tuple[str, ...] = tuple(sorted(_JAX_FUNCTIONS))
"""Names of the functions that a formula may call, each of one argument."""


@dataclasses.dataclass(frozen=True)
class _Number:
    value: float


@dataclasses.dataclass(frozen=True)
class _Variable:
    name: str


@dataclasses.dataclass(frozen=True)
class _Negative:
    operand: _Node


@dataclasses.dataclass(frozen=True)
class _Call:
    name: str
    argument: _Node


@dataclasses.dataclass(frozen=True)
class _Binary:
    combine: Callable[[Any, Any], Any]
    left: _Node
    right: _Node


_Node = _Number | _Variable | _Negative | _Call | _Binary


@dataclasses.dataclass(frozen=True)
class Formula:
    """A formula of one or more variables, callable with arrays and differentiable.

    ``Formula("1.9793 * exp(-39.3631 * x) + 0.2482")(x)`` evaluates element by element; several
    arguments are given in the order of ``variables`` and broadcast against each other. Formulas are
    equal, and hash equal, if text and variables are. ``str(formula)`` is the text.

    Numbers are double precision. A whole constant exponent of at most 64 is a product, so ``x**2``
    and its derivatives hold for every x; any other power needs a positive base. Nothing guards the
    poles of a formula: ``log(x)`` at 0 is -inf, with no warning.

    Raises InputError, naming the position and what was found there, if the text is outside the
    grammar, longer than 4000 characters or nested deeper than 250; ValueError if a variable is no
    identifier, is given twice, or is the name of a function.
    """

    text: str
    variables: tuple[str, ...] = ("x",)
    _tree: _Node = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read the text once; the object then only holds checked nodes."""
        if not isinstance(self.text, str):
            raise TypeError(f"text: got {type(self.text).__name__}, expected str")
        object.__setattr__(self, "text", self.text.strip())
        object.__setattr__(self, "variables", _checked_variables(self.variables))
        body = _parse(self.text)
        object.__setattr__(self, "_tree", _Reader(self.text, self.variables).read(body))

    def __call__(self, *arguments: Any) -> jax.Array:
        """Return the value at the arguments, in the broadcast shape of them all.

        Raises TypeError if there is not one argument for each variable.
        """
        if len(arguments) != len(self.variables):
            raise TypeError(
                f"formula of ({', '.join(self.variables)}): got {len(arguments)} arguments, "
                f"expected {len(self.variables)}"
            )
        arrays = [_as_float(argument) for argument in arguments]
        value = _evaluate(self._tree, dict(zip(self.variables, arrays, strict=True)))
        shape = jnp.broadcast_shapes(*(array.shape for array in arrays))
        # A formula that leaves a variable out still answers in the shape of all of them.
        return jnp.broadcast_to(jnp.asarray(value, jnp.result_type(*arrays)), shape)

    def __str__(self) -> str:
        """Return the text, from which an equal formula is made."""
        return self.text

    def used_variables(self) -> tuple[str, ...]:
        """Return the variables that occur in the text, in the order of `variables`."""
        names = {node.id for node in ast.walk(_parse(self.text)) if isinstance(node, ast.Name)}
        return tuple(name for name in self.variables if name in names)

    def used_functions(self) -> tuple[str, ...]:
        """Return the names of the functions that the text calls, sorted."""
        calls = (node for node in ast.walk(_parse(self.text)) if isinstance(node, ast.Call))
        return tuple(sorted({node.func.id for node in calls if isinstance(node.func, ast.Name)}))

    def substitute(self, replacements: Mapping[str, float | str]) -> Formula:
        """Return the formula with variables replaced by numbers or renamed.

        ``substitute({"T": 298.15, "c_e": "x"})`` fixes T and renames c_e. A variable replaced by a
        number is no longer declared. Raises ValueError if a name is no variable of the formula, if
        a number is not finite, or if no variable would be left.
        """
        unknown = sorted(set(replacements) - set(self.variables))
        if unknown:
            raise ValueError(f"replacements: got {unknown}, expected names of {self.variables}")
        for name, replacement in replacements.items():
            if not isinstance(replacement, str) and not math.isfinite(replacement):
                raise ValueError(f"{name}: got {replacement!r}, expected a finite number")
        renamed = (replacements.get(name, name) for name in self.variables)
        variables = tuple(name for name in renamed if isinstance(name, str))
        tree = _Replace(replacements).visit(_parse(self.text))
        return Formula(ast.unparse(tree), variables)

    def scaled(self, factor: float) -> Formula:
        """Return the formula times a number; the same formula if the number is one.

        Raises ValueError if the factor is not finite.
        """
        if not math.isfinite(factor):
            raise ValueError(f"factor: got {factor!r}, expected a finite number")
        return self if factor == 1.0 else Formula(f"{factor!r} * ({self.text})", self.variables)


class _Replace(ast.NodeTransformer):
    """Replaces variables in a checked tree; names of functions stay."""

    def __init__(self, replacements: Mapping[str, float | str]) -> None:
        self._replacements = replacements

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.args = [self.visit(argument) for argument in node.args]
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        replacement = self._replacements.get(node.id, node.id)
        if isinstance(replacement, str):
            return ast.Name(replacement, ast.Load())
        number = ast.Constant(abs(float(replacement)))
        return ast.UnaryOp(ast.USub(), number) if replacement < 0 else number


class _Reader:
    """Turns Python's tree into nodes of the whitelist, or raises InputError."""

    def __init__(self, text: str, variables: tuple[str, ...]) -> None:
        self._text = text
        self._variables = variables

    def read(self, node: ast.expr, depth: int = 0) -> _Node:
        if depth > _MAX_DEPTH:
            raise self._error(node, "nesting too deep", f"expected at most {_MAX_DEPTH} levels")
        result = self._read_any(node, depth + 1)
        if not isinstance(result, _Number) and _is_constant(result):
            return _Number(self._folded(result, node))
        return result

    def _read_any(self, node: ast.expr, depth: int) -> _Node:
        if isinstance(node, ast.Constant):
            return self._number(node)
        if isinstance(node, ast.Name):
            return self._variable(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            operand = self.read(node.operand, depth)
            return _Negative(operand) if isinstance(node.op, ast.USub) else operand
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            left, right = self.read(node.left, depth), self.read(node.right, depth)
            return _Binary(_OPERATORS[type(node.op)], left, right)
        if isinstance(node, ast.Call):
            return self._call(node, depth)
        raise self._error(
            node,
            f"{self._token(node)!r} is not allowed",
            "expected numbers, variables, + - * / **, parentheses and functions",
        )

    def _number(self, node: ast.Constant) -> _Number:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._error(node, f"{self._token(node)!r} is no number", "expected a real number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self._error(node, "number out of range", "expected at most 1.8e308")
        return _Number(number)

    def _variable(self, node: ast.Name) -> _Variable:
        if node.id in self._variables:
            return _Variable(node.id)
        if node.id in _JAX_FUNCTIONS:
            mend = f"write {node.id}(...)"
        else:
            mend = self._names_mend(node.id, self._variables + FORMULA_FUNCTIONS)
        raise self._error(node, f"unknown name {node.id!r}", mend)

    def _call(self, node: ast.Call, depth: int) -> _Call:
        if not isinstance(node.func, ast.Name) or node.func.id not in _JAX_FUNCTIONS:
            name = self._token(node.func)
            mend = self._names_mend(name, FORMULA_FUNCTIONS)
            raise self._error(node, f"unknown function {name!r}", mend)
        if len(node.args) != 1 or node.keywords or isinstance(node.args[0], ast.Starred):
            raise self._error(
                node, f"{node.func.id} with these arguments", "expected one argument in parentheses"
            )
        return _Call(node.func.id, self.read(node.args[0], depth))

    def _folded(self, constant: _Node, node: ast.expr) -> float:
        """Return the value of a part without variables; 1/0 is an error of the text."""
        try:
            value = _constant_value(constant)
        except (OverflowError, ValueError, ZeroDivisionError):
            value = math.nan
        # A negative base to a fractional power is complex in Python.
        if isinstance(value, complex) or not math.isfinite(value):
            raise self._error(
                node, f"{self._token(node)!r} has no finite value", "expected a finite constant"
            )
        return value

    def _names_mend(self, name: str, known: tuple[str, ...]) -> str:
        near = near_names(name, known)
        if near:
            return "did you mean " + " or ".join(repr(candidate) for candidate in near) + "?"
        return "expected one of " + ", ".join(known)

    def _token(self, node: ast.expr) -> str:
        token = ast.get_source_segment(self._text, node) or type(node).__name__
        return token if len(token) <= 40 else token[:37] + "..."

    def _error(self, node: ast.expr, what: str, mend: str) -> InputError:
        return InputError(f"formula, position {node.col_offset + 1}: {what}", mend=mend)


def _checked_variables(variables: tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(variables, str):
        raise TypeError(f"variables: got the string {variables!r}, expected a tuple of names")
    names = tuple(variables)
    if not names or len(set(names)) != len(names):
        raise ValueError(f"variables: got {names}, expected one or more different names")
    for name in names:
        if not (name.isascii() and name.isidentifier()) or keyword.iskeyword(name):
            raise ValueError(f"variables: got {name!r}, expected an ASCII identifier")
        if name in _JAX_FUNCTIONS:
            raise ValueError(f"variables: got {name!r}, expected no name of a function")
    return names


def _parse(text: str) -> ast.expr:
    """Return Python's tree of the text; nothing of it is run."""
    if not text:
        raise InputError("formula is empty", mend="expected for example '1.5 * exp(-x)'")
    if len(text) > _MAX_LENGTH:
        raise InputError(
            f"formula of {len(text)} characters", mend=f"expected at most {_MAX_LENGTH}"
        )
    # Python reads some other letters as ASCII ones, and skips what follows a number sign.
    strange = next((i for i, c in enumerate(text) if c == "#" or not " " <= c <= "~"), None)
    if strange is not None:
        raise InputError(
            f"formula, position {strange + 1}: character {text[strange]!r} is not allowed",
            mend="expected printable ASCII on one line",
        )
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise _syntax_error(text, error) from None
    except (MemoryError, RecursionError, ValueError):
        raise InputError(
            "formula is nested too deep, or has too long a number",
            mend=f"expected at most {_MAX_DEPTH} levels",
        ) from None


def _syntax_error(text: str, error: SyntaxError) -> InputError:
    mend = "expected for example '1.5 * exp(-x)'"
    # Python points at the start of what it could not finish; what is missing stands at the end.
    if text[-1] in "+-*/(":
        position = len(text)
        what = f"formula, position {position}: nothing follows {text[-1]!r}"
    else:
        position = error.offset or 1
        what = f"formula, position {position}: cannot be read at {text[position - 1 :][:10]!r}"
    return InputError(what, mend=mend)


def _is_constant(node: _Node) -> bool:
    # Parts without variables are folded on the way up, so one level is enough.
    if isinstance(node, _Negative):
        return isinstance(node.operand, _Number)
    if isinstance(node, _Call):
        return isinstance(node.argument, _Number)
    if isinstance(node, _Binary):
        return isinstance(node.left, _Number) and isinstance(node.right, _Number)
    return isinstance(node, _Number)


def _constant_value(node: _Node) -> float:
    """Return the value of a node whose operands are numbers, in floats: no huge integers."""
    if isinstance(node, _Number):
        return node.value
    if isinstance(node, _Negative):
        return -_constant_value(node.operand)
    if isinstance(node, _Call):
        return _FLOAT_FUNCTIONS[node.name](_constant_value(node.argument))
    if isinstance(node, _Binary):
        left, right = _constant_value(node.left), _constant_value(node.right)
        # Not float(...): a complex result, of a negative base, is for the caller to refuse.
        result: float = node.combine(left, right)
        return result
    raise TypeError(f"node: got {type(node).__name__}, expected one without variables")


def _evaluate(node: _Node, values: Mapping[str, jax.Array]) -> Any:
    """Return the value of a node; numbers stay Python floats, so they take the arrays' dtype."""
    if isinstance(node, _Number):
        return node.value
    if isinstance(node, _Variable):
        return values[node.name]
    if isinstance(node, _Negative):
        return -_evaluate(node.operand, values)
    if isinstance(node, _Call):
        return _JAX_FUNCTIONS[node.name](_evaluate(node.argument, values))
    left = _evaluate(node.left, values)
    if node.combine is operator.pow and isinstance(node.right, _Number):
        exponent = node.right.value
        if exponent.is_integer() and abs(exponent) <= _MAX_WHOLE_EXPONENT:
            return left ** int(exponent)
    return node.combine(left, _evaluate(node.right, values))


def _as_float(argument: Any) -> jax.Array:
    array = jnp.asarray(argument)
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(jnp.float64)
