"""Names of the generated code: letters, digits and underscores, each used once."""

from __future__ import annotations

import re
from typing import Final, final

__all__ = ["Names"]

# Words of C++ and names of <cmath> and <cstdint> that an input or a function might be called.
_TAKEN: Final = frozenset(
    # One string, to be read as text.
    re.findall(
        r"\w+",
        """alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl
        const constexpr const_cast continue decltype default delete do double dynamic_cast else enum
        explicit export extern false float for friend goto if inline int long main mutable namespace
        new noexcept not not_eq nullptr operator or or_eq private protected public register return
        reinterpret_cast short signed sizeof static static_assert static_cast std struct switch this
        template thread_local throw true try typedef typeid typename union unsigned using virtual
        void volatile wchar_t while xor xor_eq
        abs acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh div erf erfc exp exp2
        expm1 fabs floor fmod gamma isfinite j0 j1 jn log log1p log2 nearbyint pow rem rint round
        signgam sin sinh sqrt tan tanh time y0 y1 yn NAN INFINITY int32_t int64_t size_t uint32_t
        uint8_t inputs outputs workspace
        at before best go_on here high i j k l low m middle n node step total""",
    )
)
# Indices in the code of kernels, and helper functions.
_RESERVED: Final = re.compile(r"(start_|[bipqs])\d+|\w+_(bool|float32|float64|u?int\d+)")


@final
class Names:
    """Gives out names, each once."""

    def __init__(self) -> None:
        self._used = set(_TAKEN)

    def unique(self, text: str) -> str:
        """The text as a name; with a number behind it where it is taken."""
        stem = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_") or "value"
        if stem[0].isdigit():
            stem = f"_{stem}"
        name, number = stem, 1
        while name in self._used or _RESERVED.fullmatch(name):
            number += 1
            name = f"{stem}_{number}"
        self._used.add(name)
        return name
