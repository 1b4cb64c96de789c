"""Parameters in order, as a list holds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self, SupportsIndex, final, overload

from gradion.module.containers.entries import as_entry, entry_of, entry_text
from gradion.module.containers.numbered import position_of
from gradion.module.module import Module
from gradion.module.static import is_array

__all__ = ["ParameterList"]


@final
class ParameterList(Module):
    """A list of Parameters, registered under "0", "1", ...

    Reading an entry gives its array, as reading an attribute does; `get_parameter("0")` gives
    the Parameter. An array that is added becomes a Parameter of unit "1" (TypeError if it is not
    floating); anything else that is added stays as it is, and must be hashable to be used in
    transformations. Adding the entries of another ParameterList shares its Parameters, as does a
    slice. Replacing an entry takes a Parameter or None: an array raises TypeError, as assigning
    one to an attribute does, since the entry's unit and bounds would be lost (PyTorch makes a
    new Parameter of it). An index out of range raises IndexError.
    """

    _size: int

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def append(self, value: Any) -> Self:
        """Add an entry at the end; returns this list."""
        return self._add([as_entry(value)])

    def extend(self, values: Iterable[Any]) -> Self:
        """Add entries at the end; returns this list.

        Raises TypeError for what is not iterable, and for an array: that is one value.
        """
        # An array is iterable too, over numbers that nobody means to be Parameters.
        if is_array(values) or not isinstance(values, Iterable):
            raise TypeError(
                f"ParameterList.extend: got {type(values).__name__}, expected an iterable of "
                "Parameters or arrays"
            )
        if isinstance(values, ParameterList):
            return self._add(values._entries())
        return self._add([as_entry(value) for value in values])

    @overload
    def __getitem__(self, index: slice) -> ParameterList: ...

    @overload
    def __getitem__(self, index: SupportsIndex) -> Any: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        if isinstance(index, slice):
            return ParameterList(self._entries()[index])
        return getattr(self, str(position_of(self, index, self._size)))

    def __setitem__(self, index: SupportsIndex, value: Any) -> None:
        setattr(self, str(position_of(self, index, self._size)), value)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return (getattr(self, str(i)) for i in range(self._size))

    def __iadd__(self, values: Iterable[Any]) -> Self:
        return self.extend(values)

    def extra_repr(self) -> str:
        """One line an entry."""
        return "\n".join(
            entry_text(self, str(i)) for i in range(self._size) if str(i) not in self._modules
        )

    def _entries(self) -> list[Any]:
        return [entry_of(self, str(i)) for i in range(self._size)]

    def _add(self, entries: list[Any]) -> Self:
        for i, entry in enumerate(entries, start=self._size):
            setattr(self, str(i), entry)
        self._size += len(entries)
        return self
