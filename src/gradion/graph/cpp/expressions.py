"""Elementwise operations as C++ expressions of the names of their arguments.

Values follow XLA where C++ leaves something open: integers wrap around, dividing by 0 gives -1
and a remainder of 0 the dividend, a conversion to an integer saturates and makes 0 of NaN, and
`max` and `min` return NaN if an argument is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np

from gradion.graph.cpp.scalar_type import cpp_type, is_float, is_signed, itemsize, literal

__all__ = ["EXPRESSIONS", "Call", "Expression", "expression", "helper_text"]


@final
@dataclass(frozen=True)
class Expression:
    """A C++ expression, and the helper functions that it calls: name and dtype of each."""

    text: str
    helpers: tuple[tuple[str, str], ...] = ()


@final
@dataclass(frozen=True)
class Call:
    """An operation on arguments, given as C++, with the dtypes of the last and of the result."""

    args: tuple[str, ...]
    dtype: str
    result: str
    attributes: dict[str, Any]

    def of(self, *args: str) -> Call:
        """The same with other arguments."""
        return Call(args, self.dtype, self.result, self.attributes)


_Write = Callable[[Call], Expression]


def expression(
    kind: str, arguments: Sequence[str], dtypes: Sequence[str], result: str, attributes: dict
) -> Expression:
    """The expression of an operation: `arguments` of `dtypes`, its value of the dtype `result`."""
    # The dtype that decides is the last argument's: the first of select_n is the condition.
    return EXPRESSIONS[kind](Call(tuple(arguments), dtypes[-1], result, attributes))


def _infix(symbol: str) -> _Write:
    def write(call: Call) -> Expression:
        return Expression(f"{call.args[0]} {symbol} {call.args[1]}")

    return write


def _function(name: str) -> _Write:
    def write(call: Call) -> Expression:
        return Expression(f"std::{name}({', '.join(call.args)})")

    return write


def _wrapping(symbol: str) -> _Write:
    """Arithmetic whose overflow wraps: in C++ that of signed integers is undefined."""

    def write(call: Call) -> Expression:
        if not is_signed(call.dtype):
            return Expression(f"{call.args[0]} {symbol} {call.args[1]}")
        unsigned = "u" + cpp_type(call.dtype)
        a, b = (f"static_cast<{unsigned}>({x})" for x in call.args)
        return Expression(f"static_cast<{cpp_type(call.dtype)}>({a} {symbol} {b})")

    return write


def _helper(name: str, floating: str = "") -> _Write:
    """A call of a helper; of the `floating` function of <cmath> for floating dtypes if given."""

    def write(call: Call) -> Expression:
        if floating and is_float(call.dtype):
            return Expression(f"std::{floating}({', '.join(call.args)})")
        return Expression(f"{name}_{call.dtype}({', '.join(call.args)})", ((name, call.dtype),))

    return write


def _logical(symbol: str) -> _Write:
    def write(call: Call) -> Expression:
        text = f"{call.args[0]} {symbol} {call.args[1]}"
        return Expression(f"({text}) != 0" if call.dtype == "bool" else text)

    return write


def _not(call: Call) -> Expression:
    if call.dtype == "bool":
        return Expression(f"!{call.args[0]}")
    return Expression(f"static_cast<{cpp_type(call.dtype)}>(~{call.args[0]})")


def _neg(call: Call) -> Expression:
    if is_float(call.dtype):
        return Expression(f"-{call.args[0]}")
    return _wrapping("-")(call.of(literal(0, call.dtype), call.args[0]))


def _div(call: Call) -> Expression:
    if is_float(call.dtype):
        return Expression(f"{call.args[0]} / {call.args[1]}")
    return _helper("quotient")(call)


def _square(call: Call) -> Expression:
    return _wrapping("*")(call.of(call.args[0], call.args[0]))


def _one_minus_square(call: Call) -> Expression:
    one = literal(1, call.dtype)
    return Expression(f"({one} + {call.args[0]}) * ({one} - {call.args[0]})")


def _one_over(text: str) -> _Write:
    def write(call: Call) -> Expression:
        one = literal(1, call.dtype)
        return Expression(f"{one} / " + text.format(x=call.args[0], one=one))

    return write


def _pow(call: Call) -> Expression:
    exponent = (
        call.args[1]
        if is_float(call.dtype)
        else f"static_cast<{cpp_type(call.result)}>({call.args[1]})"
    )
    return Expression(f"std::pow({call.args[0]}, {exponent})")


def _integer_pow(call: Call) -> Expression:
    y = int(call.attributes["y"])
    if y in (0, 1):
        return Expression(literal(1, call.dtype) if y == 0 else call.args[0])
    name = f"power_{abs(y)}"
    power = f"{name}_{call.dtype}({call.args[0]})"
    text = f"{literal(1, call.dtype)} / {power}" if y < 0 else power
    return Expression(text, ((name, call.dtype),))


def _round(call: Call) -> Expression:
    even = call.attributes["rounding_method"] == "TO_NEAREST_EVEN"
    return Expression(f"std::{'nearbyint' if even else 'round'}({call.args[0]})")


def _select(call: Call) -> Expression:
    which, *cases = call.args
    if len(cases) == 2:
        return Expression(f"{which} ? {cases[1]} : {cases[0]}")
    text = cases[-1]
    for number, case in reversed(list(enumerate(cases[:-1]))):
        text = f"{which} == {number} ? {case} : {text}"
    return Expression(text)


def _clamp(call: Call) -> Expression:
    low, x, high = call.args
    text = f"minimum_{call.dtype}(maximum_{call.dtype}({x}, {low}), {high})"
    return Expression(text, (("maximum", call.dtype), ("minimum", call.dtype)))


def _convert(call: Call) -> Expression:
    if call.result == "bool":
        return Expression(
            f"{call.args[0]} != {literal(0, call.dtype)}" if call.dtype != "bool" else call.args[0]
        )
    if is_float(call.dtype) and not is_float(call.result):
        name = f"to_{call.result}"
        return Expression(f"{name}_{call.dtype}({call.args[0]})", ((name, call.dtype),))
    return Expression(
        f"static_cast<{cpp_type(call.result)}>({call.args[0]})"
        if call.dtype != call.result
        else call.args[0]
    )


def _bitcast(call: Call) -> Expression:
    name = f"bits_{call.result}"
    return Expression(f"{name}_{call.dtype}({call.args[0]})", ((name, call.dtype),))


def _copy(call: Call) -> Expression:
    return Expression(call.args[0])


_CMATH: Final = (
    *("floor", "ceil", "exp", "exp2", "expm1", "log", "log2", "log1p", "tanh", "sinh", "cosh"),
    *("asinh", "acosh", "atanh", "sin", "cos", "tan", "asin", "acos", "atan", "sqrt", "cbrt"),
    *("erf", "erfc", "atan2"),
)
_SHIFTS: Final = ("shift_left", "shift_right_logical", "shift_right_arithmetic")
EXPRESSIONS: Final[dict[str, _Write]] = {
    **{name: _function(name) for name in _CMATH},
    "is_finite": _function("isfinite"),
    "neg": _neg,
    "sign": _helper("sign"),
    "abs": _helper("magnitude", floating="fabs"),
    "logistic": _one_over("({one} + std::exp(-{x}))"),
    "rsqrt": _one_over("std::sqrt({x})"),
    "square": _square,
    "one_minus_square": _one_minus_square,
    "not": _not,
    "add": _wrapping("+"),
    "sub": _wrapping("-"),
    "mul": _wrapping("*"),
    "div": _div,
    "rem": _helper("remainder", floating="fmod"),
    "pow": _pow,
    "max": _helper("maximum"),
    "min": _helper("minimum"),
    "eq": _infix("=="),
    "ne": _infix("!="),
    "lt": _infix("<"),
    "le": _infix("<="),
    "gt": _infix(">"),
    "ge": _infix(">="),
    "and": _logical("&"),
    "or": _logical("|"),
    "xor": _logical("^"),
    **{name: _helper(name) for name in _SHIFTS},
    "select_n": _select,
    "clamp": _clamp,
    "round": _round,
    "integer_pow": _integer_pow,
    "convert_element_type": _convert,
    "bitcast_convert_type": _bitcast,
    "copy": _copy,
}


def helper_text(name: str, dtype: str) -> str:
    """The C++ definition of a helper function."""
    t = cpp_type(dtype)
    if name == "inside":
        # An index moved between 0 and the last.
        body = "x < 0 ? 0 : (x > last ? last : x)"
        return f"GRADION_FUNCTION {t} inside_{dtype}({t} x, {t} last) {{ return {body}; }}"
    if name.startswith("power_"):
        return _power_text(name, dtype)
    if name.startswith("to_"):
        return _saturating_text(name, dtype)
    if name.startswith("bits_"):
        result = cpp_type(name.removeprefix("bits_"))
        body = f"{result} y; std::memcpy(&y, &x, sizeof y); return y;"
        return f"GRADION_FUNCTION {result} {name}_{dtype}({t} x) {{ {body} }}"
    zero, one = literal(0, dtype), literal(1, dtype)
    head = f"GRADION_FUNCTION {t} {name}_{dtype}"
    if name in ("maximum", "minimum"):
        symbol = ">" if name == "maximum" else "<"
        # Without short cuts, so that loops become vector instructions.
        nan = " | (a != a)" if is_float(dtype) else ""
        return f"{head}({t} a, {t} b) {{ return ((a {symbol} b){nan}) ? a : b; }}"
    if name == "sign":
        if is_float(dtype):
            body = f"(x != x || x == {zero}) ? x : (x < {zero} ? -{one} : {one})"
        else:
            body = f"x == {zero} ? {zero} : " + (
                f"(x < {zero} ? -1 : 1)" if is_signed(dtype) else one
            )
        return f"{head}({t} x) {{ return {body}; }}"
    if name == "magnitude":
        negated = _wrapping("-")(Call((zero, "x"), dtype, dtype, {})).text
        body = f"x < {zero} ? {negated} : x" if is_signed(dtype) else "x"
        return f"{head}({t} x) {{ return {body}; }}"
    return _shift_text(name, dtype) if name in _SHIFTS else _division_text(name, dtype)


def _shift_text(name: str, dtype: str) -> str:
    """A shift; one by more bits than there are, or by less than none, shifts all of them out."""
    t = cpp_type(dtype)
    unsigned = f"static_cast<{'u' if is_signed(dtype) else ''}{t}>"
    sign = is_signed(dtype) and name == "shift_right_arithmetic"
    body = f"{unsigned}(a) {'<<' if name == 'shift_left' else '>>'} b"
    none_left = "a < 0 ? -1 : 0" if sign else literal(0, dtype)
    lines = [
        f"GRADION_FUNCTION {t} {name}_{dtype}({t} a, {t} b) {{",
        f"  if ({unsigned}(b) >= {8 * itemsize(dtype)}) return {none_left};",
    ]
    if sign:
        # Of a negative number C++ leaves the shift to the implementation.
        lines.append(f"  if (a < 0) return static_cast<{t}>(~({unsigned}(~a) >> b));")
    return "\n".join([*lines, f"  return static_cast<{t}>({body});", "}"])


def _division_text(name: str, dtype: str) -> str:
    t = cpp_type(dtype)
    quotient = name == "quotient"
    by_zero = f"static_cast<{t}>(-1)" if quotient else "a"
    lines = [f"  if (b == 0) return {by_zero};"]
    if is_signed(dtype):
        # The least number has no negative; C++ leaves the quotient undefined.
        negated = _wrapping("-")(Call((literal(0, dtype), "a"), dtype, dtype, {})).text
        lines.append(f"  if (b == -1) return {negated if quotient else literal(0, dtype)};")
    lines.append(f"  return a {'/' if quotient else '%'} b;")
    head = f"GRADION_FUNCTION {t} {name}_{dtype}({t} a, {t} b) {{"
    return "\n".join([head, *lines, "}"])


def _power_text(name: str, dtype: str) -> str:
    t = cpp_type(dtype)
    y = int(name.removeprefix("power_"))
    lines = []
    result, factor, number = "", "x", 1
    while True:
        if y & 1:
            if result:
                lines.append(f"  const {t} y{number} = {_product(result, factor, dtype)};")
                result = f"y{number}"
            else:
                result = factor
        y >>= 1
        if not y:
            break
        number *= 2
        lines.append(f"  const {t} x{number} = {_product(factor, factor, dtype)};")
        factor = f"x{number}"
    head = f"GRADION_FUNCTION {t} {name}_{dtype}({t} x) {{"
    return "\n".join([head, *lines, f"  return {result};", "}"])


def _product(a: str, b: str, dtype: str) -> str:
    return _wrapping("*")(Call((a, b), dtype, dtype, {})).text


def _saturating_text(name: str, dtype: str) -> str:
    t, target = cpp_type(dtype), name.removeprefix("to_")
    result = cpp_type(target)
    info = np.iinfo(np.dtype(target))
    low, high = literal(info.min, target), literal(info.max, target)
    # Both bounds are powers of two, exact in floating point: 2^(bits - 1) or 2^bits.
    above = literal(float(int(info.max) + 1), dtype)
    return "\n".join(
        [
            f"GRADION_FUNCTION {result} {name}_{dtype}({t} x) {{",
            f"  if (!(x == x)) return {literal(0, target)};",
            f"  if (x >= {above}) return {high};",
            f"  if (x <= {literal(float(info.min), dtype)}) return {low};",
            f"  return static_cast<{result}>(x);",
            "}",
        ]
    )
