"""Numbers as a reader wants them."""

import math

__all__ = ["interval_text", "number_text"]


def number_text(value: float, error: float | None = None, *, digits: int = 4) -> str:
    """A number with `digits` digits, or as many as its standard error lets it have.

    A dash for what is not finite.
    """
    if not math.isfinite(value):
        return "-"
    if value == 0.0:
        return "0"
    if error is not None and math.isfinite(error) and error > 0.0:
        # Two digits of the error, but no more than seven of the value.
        decades = math.floor(math.log10(abs(value))) - math.floor(math.log10(error))
        digits = min(max(decades + 2, 2), 7)
    exponent = math.floor(math.log10(abs(value)))
    if -4 <= exponent < 6:
        return f"{value:.{max(digits - 1 - exponent, 0)}f}"
    return f"{value:.{digits - 1}e}"


def interval_text(low: float, high: float, error: float | None = None) -> str:
    """Two ends; a dash if both are open or unknown."""
    ends = [math.isfinite(end) for end in (low, high)]
    if not any(ends):
        return "-"
    if not ends[0]:
        return f"up to {number_text(high, error)}"
    if not ends[1]:
        return f"from {number_text(low, error)}"
    return f"{_trimmed(low, error)} to {_trimmed(high, error)}"


def _trimmed(value: float, error: float | None) -> str:
    return f"{value:g}" if error is None else number_text(value, error)
