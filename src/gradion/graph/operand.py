"""Python's operators for what stands for an array in a graph."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from gradion.graph.graph import Graph, Tensor

__all__ = ["AbstractOperand"]


class AbstractOperand(ABC):
    """A tensor, or what is read as one: operators add operations to its graph.

    Arrays and numbers on the other side become constants. `==` and `!=` compare identity, as keys
    of a dict need it; `gradion.graph.array.equal` compares elements. NumPy's functions of the
    documented set (`gradion.graph.array`) work too.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The name of the tensor or of the variable."""

    @property
    @abstractmethod
    def graph(self) -> Graph:
        """The graph that it is of."""

    @abstractmethod
    def as_tensor(self) -> Tensor:
        """The tensor that takes part in operations."""

    def __add__(self, other: Any) -> Tensor:
        return _apply(operator.add, self, other)

    def __radd__(self, other: Any) -> Tensor:
        return _apply(operator.add, other, self)

    def __sub__(self, other: Any) -> Tensor:
        return _apply(operator.sub, self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return _apply(operator.sub, other, self)

    def __mul__(self, other: Any) -> Tensor:
        return _apply(operator.mul, self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return _apply(operator.mul, other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return _apply(operator.truediv, self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return _apply(operator.truediv, other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return _apply(operator.floordiv, self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return _apply(operator.floordiv, other, self)

    def __mod__(self, other: Any) -> Tensor:
        return _apply(operator.mod, self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return _apply(operator.mod, other, self)

    def __pow__(self, other: Any) -> Tensor:
        return _apply(operator.pow, self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return _apply(operator.pow, other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return _apply(operator.matmul, self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return _apply(operator.matmul, other, self)

    def __and__(self, other: Any) -> Tensor:
        return _apply(operator.and_, self, other)

    def __rand__(self, other: Any) -> Tensor:
        return _apply(operator.and_, other, self)

    def __or__(self, other: Any) -> Tensor:
        return _apply(operator.or_, self, other)

    def __ror__(self, other: Any) -> Tensor:
        return _apply(operator.or_, other, self)

    def __xor__(self, other: Any) -> Tensor:
        return _apply(operator.xor, self, other)

    def __rxor__(self, other: Any) -> Tensor:
        return _apply(operator.xor, other, self)

    def __lt__(self, other: Any) -> Tensor:
        return _apply(operator.lt, self, other)

    def __le__(self, other: Any) -> Tensor:
        return _apply(operator.le, self, other)

    def __gt__(self, other: Any) -> Tensor:
        return _apply(operator.gt, self, other)

    def __ge__(self, other: Any) -> Tensor:
        return _apply(operator.ge, self, other)

    def __neg__(self) -> Tensor:
        return _apply(operator.neg, self)

    def __abs__(self) -> Tensor:
        return _apply(operator.abs, self)

    def __invert__(self) -> Tensor:
        return _apply(operator.invert, self)

    def __getitem__(self, index: Any) -> Tensor:
        """A part, as of an array. Raises IndexError for a number out of a range that is known."""
        tensor = self.as_tensor()
        _require_in_range(tensor, index)
        return _apply(operator.getitem, tensor, index)

    def __iter__(self) -> Iterator[Tensor]:
        """Over the first axis. Raises TypeError if its size is not known."""
        tensor = self.as_tensor()
        if not tensor.shape or not isinstance(tensor.shape[0], int):
            raise TypeError(f"{tensor!r} cannot be iterated over: its first size is not a number")
        return iter([tensor[i] for i in range(tensor.shape[0])])

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} has no value while the graph is written; use gradion.graph.cond or "
            "gradion.graph.array.where in place of a branch of Python"
        )

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(f"{self!r} has no value while the graph is written; a Session runs it")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """One of NumPy's elementwise functions."""
        if method != "__call__" or options:  # string: NumPy's protocol
            return NotImplemented
        return _numpy_call(ufunc.__name__, inputs, {})

    def __array_function__(
        self, function: Any, _types: Any, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        """One of NumPy's other functions."""
        return _numpy_call(function.__name__, arguments, options)


def _require_in_range(tensor: Tensor, index: Any) -> None:
    """JAX takes the nearest element in place of one that is not there."""
    for axis, at in enumerate(index if isinstance(index, tuple) else (index,)):
        if at is None or at is Ellipsis or axis >= len(tensor.shape):
            return
        size = tensor.shape[axis]
        if type(at) is int and isinstance(size, int) and not -size <= at < size:
            raise IndexError(f"{tensor!r}: index {at} is out of range, axis {axis} has {size}")


# Building stands above the graph, and operators of the graph's tensors build: the two functions
# below are the only way up.
def _apply(function: Any, *arguments: Any) -> Tensor:
    from gradion.graph.build.apply import apply

    return apply(function, *arguments)


def _numpy_call(name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    from gradion.graph.array import by_numpy_name

    function = by_numpy_name(name)
    return NotImplemented if function is None else function(*arguments, **options)
