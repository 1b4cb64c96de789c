"""Sizes of arrays that are not known yet."""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import jax

from gradion.foundation.errors import InputError

__all__ = ["Dimension", "Size", "shape_text"]


@final
@dataclass(frozen=True)
class Dimension:
    """An unknown size, as text: a name such as `batch`, or an expression such as `2*batch + 1`.

    Expressions have numbers, names, + - *, ^ for powers, and the functions floordiv, mod, max and
    min, as JAX prints its symbolic sizes. Equal texts are equal sizes.
    """

    text: str

    @property
    def names(self) -> frozenset[str]:
        """The unknowns in it. Raises InputError for a text that is no expression."""
        tree = _parsed(self.text)
        called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        return frozenset(
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and id(node) not in called
        )

    @property
    def is_name(self) -> bool:
        """Whether it is one unknown by itself."""
        return self.text.isidentifier()

    def at(self, sizes: Mapping[str, Any]) -> Any:
        """The size where the unknowns have these values, numbers or sizes of JAX.

        Raises InputError for an unknown without a value and for a text that is no expression.
        """
        return _value(_parsed(self.text), sizes, self.text)

    def __str__(self) -> str:
        """Return the text."""
        return self.text


Size = int | Dimension


def shape_text(shape: Sequence[Any]) -> str:
    """A shape as Python prints a tuple of numbers: `(n, 3)`."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


_BINARY: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Pow: operator.pow,
}
_LONGEST: Final = 1000  # characters; a size that means something is shorter
_LARGEST_POWER: Final = 16


_FUNCTIONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "max": jax.core.max_dim,
    "min": jax.core.min_dim,
}


@functools.lru_cache(maxsize=1024)
def _parsed(text: str) -> ast.expr:
    if len(text) > _LONGEST:
        raise InputError(f"a size is an expression of {len(text)} characters")
    try:
        return ast.parse(text.replace("^", "**"), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{text!r} is no expression of sizes") from error


def _value(node: ast.expr, sizes: Mapping[str, Any], text: str) -> Any:
    match node:
        case ast.Constant(value=int() as number) if not isinstance(number, bool):
            return number
        case ast.Name(id=name):
            if name not in sizes:
                raise InputError(f"the size {name!r} of {text!r} is not known")
            return sizes[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, sizes, text)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            a, b = _value(left, sizes, text), _value(right, sizes, text)
            if isinstance(op, ast.Pow) and not (isinstance(b, int) and 0 <= b <= _LARGEST_POWER):
                raise InputError(f"{text!r}: a power of a size must be 0 to {_LARGEST_POWER}")
            return _BINARY[type(op)](a, b)
        case ast.Call(func=ast.Name(id=name), args=[first, second], keywords=[]) if (
            name in _FUNCTIONS
        ):
            a, b = _value(first, sizes, text), _value(second, sizes, text)
            if name in ("floordiv", "mod") and isinstance(b, int) and b == 0:
                raise InputError(f"{text!r} divides by zero")
            return _FUNCTIONS[name](a, b)
    raise InputError(f"{text!r} is no expression of sizes")
