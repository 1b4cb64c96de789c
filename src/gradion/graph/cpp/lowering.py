"""From a graph to values: views cost nothing, and parts are written where they belong.

A value that is a part of a concatenation, or an output, is given its home there at once, so that
no copy is made. It has one home: a second use of that kind gets a copy.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, final

import numpy as np

from gradion.graph.cpp.layout import Layout, significant
from gradion.graph.cpp.names import Names
from gradion.graph.cpp.scalar_type import is_float
from gradion.graph.cpp.value import Buffer, BufferRole, Home, Kernel, Role, Step, Value, View
from gradion.graph.graph import Graph, Operation, Tensor, TensorType
from gradion.graph.operators import ELEMENTWISE_KINDS
from gradion.graph.passes.inlining import inline
from gradion.graph.prune import needed

__all__ = ["HOLDER_KINDS", "VIEW_KINDS", "Lowered", "lower"]

_CONTROL: Final = frozenset({"cond", "while", "scan"})


@final
@dataclass(eq=False)
class Lowered:
    """The values of a function in an order in which they can be computed, with its buffers."""

    graph: Graph
    names: Names
    values: list[Value] = field(default_factory=list)
    inputs: list[Buffer] = field(default_factory=list)
    outputs: list[Buffer] = field(default_factory=list)


def lower(graph: Graph, output_names: Sequence[str]) -> Lowered:
    """The values that the outputs of a graph need; rules of derivatives are left out."""
    graph = inline(graph).graph
    return _Lowering(graph, output_names).run()


@final
class _Lowering:
    def __init__(self, graph: Graph, output_names: Sequence[str]) -> None:
        self._graph = graph
        self._output_names = output_names
        self._names = Names()
        self._lowered = Lowered(graph, self._names)
        self._views: dict[Tensor, View] = {}
        self._operations = needed(graph)
        self._flat = _flat_tensors(self._operations)

    def run(self) -> Lowered:
        lowered = self._lowered
        for tensor in self._graph.inputs:
            name = self._names.unique(tensor.operation.name)
            buffer = Buffer(name, tensor.dtype, tensor.type.size, BufferRole.INPUT)
            lowered.inputs.append(buffer)
            self._add(Value(name, tensor.type, Role.INPUT), tensor, home=buffer)
        for tensor, given in zip(self._graph.outputs, self._output_names, strict=True):
            name = self._names.unique(given)
            lowered.outputs.append(Buffer(name, tensor.dtype, tensor.type.size, BufferRole.OUTPUT))
        for operation in self._operations:
            if operation.kind != "placeholder":
                self._operation(operation)
        for tensor, buffer in zip(self._graph.outputs, lowered.outputs, strict=True):
            self._put(self._views[tensor], buffer, _same, contiguous=True)
        lowered.values = _live(lowered.values)
        return lowered

    def _operation(self, operation: Operation) -> None:
        views = [self._views[tensor] for tensor in operation.inputs]
        if operation.kind == "constant":
            self._constant(operation)
        elif operation.kind == "iota":
            self._iota(operation)
        elif operation.kind == "convert_element_type" and _folds(views[0], operation):
            (tensor,) = operation.outputs
            array = np.full(tensor.type.numbers, views[0].value.array).astype(tensor.dtype)
            self._array(array, tensor, self._name(operation))
        elif operation.kind in ELEMENTWISE_KINDS:
            (tensor,) = operation.outputs
            views = [_repeated(view, tensor.type.numbers) for view in views]
            value = Value(self._name(operation), tensor.type, Role.LOOP, operation, operands=views)
            self._add(value, tensor)
        elif operation.kind in VIEW_KINDS:
            VIEW_KINDS[operation.kind](self, operation, views[0])
        elif operation.kind in HOLDER_KINDS:
            HOLDER_KINDS[operation.kind](self, operation, views)
        else:
            self._kernel(operation, views)

    def _name(self, operation: Operation, suffix: str = "") -> str:
        return self._names.unique(operation.name.rsplit("/", 1)[-1] + suffix)

    def _add(self, value: Value, tensor: Tensor | None, *, home: Buffer | None = None) -> View:
        self._lowered.values.append(value)
        if home is not None:
            value.home = Home(home, _same)
        view = View(value, value.type.numbers)
        if tensor is not None:
            value.flat = value.flat or tensor in self._flat
            self._views[tensor] = view
        return view

    def _constant(self, operation: Operation) -> None:
        (tensor,) = operation.outputs
        array = operation.value
        if array is None:
            raise ValueError(f"{operation.name}: a constant without a value")
        self._array(array, tensor, self._name(operation))

    def _array(self, array: np.ndarray, tensor: Tensor, name: str) -> None:
        if array.size and len({x.tobytes() for x in array.ravel()}) == 1:
            # One number for all elements: bit by bit, since nan is not equal to itself.
            number = TensorType(tensor.dtype, ())
            value = Value(name, number, Role.LITERAL, array=array.ravel()[0])
            step = functools.partial(Layout.broadcast, shape=tensor.type.numbers, axes=())
            self._views[tensor] = self._add(value, None).through(step, tensor.type.numbers)
            return
        buffer = Buffer(name, tensor.dtype, tensor.type.size, BufferRole.CONSTANT)
        self._add(Value(name, tensor.type, Role.CONSTANT, array=array), tensor, home=buffer)

    def _iota(self, operation: Operation) -> None:
        (tensor,) = operation.outputs
        axis = operation.attributes["dimension"]
        row = np.arange(tensor.type.numbers[axis]).astype(tensor.dtype)
        self._array(_along(row, tensor.type.numbers, axis), tensor, self._name(operation))

    def _kernel(self, operation: Operation, views: list[View]) -> None:
        control = operation.kind in _CONTROL
        if control:
            # Subgraphs take pointers.
            views = [self._pointed(view) for view in views]
        kernel = Kernel(operation, views, [])
        for i, tensor in enumerate(operation.outputs):
            name = self._name(operation, f"_{i}" if len(operation.outputs) > 1 else "")
            value = Value(name, tensor.type, Role.KERNEL, operation, kernel=kernel, flat=control)
            kernel.results.append(value)
            self._add(value, tensor)

    def _pointed(self, view: View) -> View:
        if view.in_order and view.value.role is not Role.LITERAL:
            return view
        copy = self.copy(view)
        copy.value.flat = True
        return copy

    def view(self, tensor: Tensor, view: View) -> None:
        """Let a tensor be a view."""
        self._views[tensor] = view

    def copy(self, view: View, *, after: Sequence[Value] = ()) -> View:
        """The elements of a view in a value of their own."""
        made = TensorType(view.value.type.dtype, view.shape)
        name = self._names.unique(view.value.name + "_copy")
        return self._add(Value(name, made, Role.LOOP, operands=[view], after=list(after)), None)

    def reshape(self, tensor: Tensor, view: View) -> None:
        """Let a tensor be a view in another shape, of a copy where that needs one."""
        step: Step = functools.partial(Layout.reshaped, shape=tensor.type.numbers)
        plain = view.layout(Layout.contiguous(view.value.type.numbers))
        if plain is None or step(plain) is None:
            view = self.copy(view)
            view.value.flat = True
        self._views[tensor] = view.through(step, tensor.type.numbers, in_order=True)

    def holder(self, tensor: Tensor, name: str) -> Value:
        """A value that is put together of parts."""
        value = Value(self._names.unique(name), tensor.type, Role.HOLDER)
        self._add(value, tensor)
        return value

    def part(self, holder: Value, view: View, region: Step) -> None:
        """Let the region of a holder be a view's elements."""
        plain = region(Layout.contiguous(holder.type.numbers))
        self._put(view, holder, region, contiguous=plain is not None and plain.is_contiguous)

    def fill(self, holder: Value, view: View) -> Value:
        """Fill all of a holder with a view's elements, to be written over later."""
        filled = self.copy(view).value
        filled.home = Home(holder, _same)
        holder.parts.append(filled)
        return filled

    def write_over(self, holder: Value, view: View, region: Step, filled: Value) -> None:
        """Let a region of a filled holder be a view's elements."""
        copy = self.copy(view, after=[filled]).value
        copy.home = Home(holder, region)
        holder.parts.append(copy)

    def _put(self, view: View, place: Value | Buffer, region: Step, *, contiguous: bool) -> None:
        """Let a region be a view's elements: the home of its value, if it can be, else a copy's."""
        value = view.value
        free = value.home is None and value.role in (Role.LOOP, Role.KERNEL, Role.HOLDER)
        fits = contiguous if value.flat or not view.aligned else True
        if not (free and fits and view.in_order and value.type.size):
            value = self.copy(view).value
        elif value.flat or not view.aligned:
            # It stays without gaps only if what it is a part of does.
            value.flat = True
            if isinstance(place, Value):
                place.flat = True
        shape = value.type.numbers
        value.home = Home(place, lambda whole: _fitted(region(whole), shape))
        if isinstance(place, Value):
            place.parts.append(value)


def _repeated(view: View, shape: tuple[int, ...]) -> View:
    """An operand in the shape of the result: JAX repeats sizes of one; numbers stay as they are."""
    if view.shape in (shape, ()):
        return view
    step = functools.partial(Layout.broadcast, shape=shape, axes=tuple(range(len(shape))))
    return view.through(step, shape)


def _folds(view: View, operation: Operation) -> bool:
    """Whether a number can be converted now: where numpy's conversion is XLA's."""
    value, dtype = view.value, operation.outputs[0].dtype
    exact = value.type.dtype == "bool" or is_float(dtype) or value.type.dtype == dtype
    return value.role is Role.LITERAL and exact and operation.outputs[0].type.size > 0


def _live(values: list[Value]) -> list[Value]:
    """The values that an output of at least one element needs; inputs stay."""
    live = {
        value
        for value in values
        if value.home is not None
        and isinstance(value.home.inside, Buffer)
        and value.home.inside.role is BufferRole.OUTPUT
        and value.type.size
    }
    # Copies and parts may stand after what needs them.
    grown = True
    while grown:
        before = len(live)
        for value in reversed(values):
            if value in live:
                kernel = value.kernel
                views = [*value.operands, *(kernel.operands if kernel else ())]
                live.update(view.value for view in views if view.value.type.size)
                live.update(value.after, value.parts, kernel.results if kernel else ())
        grown = len(live) > before
    return [value for value in values if value in live or value.role is Role.INPUT]


def _same(layout: Layout) -> Layout:
    return layout


def _fitted(layout: Layout | None, shape: tuple[int, ...]) -> Layout | None:
    return None if layout is None else layout.reshaped(shape)


def _along(row: np.ndarray, shape: tuple[int, ...], axis: int) -> np.ndarray:
    sizes = [1] * len(shape)
    sizes[axis] = row.size
    return np.ascontiguousarray(np.broadcast_to(row.reshape(sizes), shape))


def _flat_tensors(operations: Sequence[Operation]) -> frozenset[Tensor]:
    """The results that are seen in another shape, or by pointer: they must lie without gaps."""
    flat: set[Tensor] = set()
    for operation in reversed(operations):
        if operation.kind in _CONTROL:
            flat.update(operation.inputs)
        elif operation.kind in VIEW_KINDS:
            before, after = operation.inputs[0], operation.outputs[0]
            reshaped = operation.kind == "reshape" and (
                significant(before.type.numbers) != significant(after.type.numbers)
            )
            if reshaped or any(tensor in flat for tensor in operation.outputs):
                flat.add(before)
    return frozenset(flat)


def _broadcast(low: _Lowering, operation: Operation, view: View) -> None:
    (tensor,) = operation.outputs
    axes = operation.attributes["broadcast_dimensions"]
    step = functools.partial(Layout.broadcast, shape=tensor.type.numbers, axes=tuple(axes))
    same = np.prod(tensor.type.numbers) == np.prod(view.shape)
    low.view(tensor, view.through(step, tensor.type.numbers, in_order=bool(same)))


def _reshape(low: _Lowering, operation: Operation, view: View) -> None:
    low.reshape(operation.outputs[0], view)


def _slice(low: _Lowering, operation: Operation, view: View) -> None:
    (tensor,) = operation.outputs
    given = operation.attributes
    step = functools.partial(
        Layout.sliced,
        starts=given["start_indices"],
        limits=given["limit_indices"],
        steps=given["strides"],
    )
    low.view(
        tensor, view.through(step, tensor.type.numbers, in_order=tensor.type.numbers == view.shape)
    )


def _transpose(low: _Lowering, operation: Operation, view: View) -> None:
    (tensor,) = operation.outputs
    order = operation.attributes["permutation"]
    moved = [axis for axis in order if view.shape[axis] != 1]
    step = functools.partial(Layout.transposed, permutation=tuple(order))
    low.view(tensor, view.through(step, tensor.type.numbers, in_order=moved == sorted(moved)))


def _rev(low: _Lowering, operation: Operation, view: View) -> None:
    (tensor,) = operation.outputs
    step = functools.partial(Layout.reversed, axes=tuple(operation.attributes["dimensions"]))
    low.view(tensor, view.through(step, tensor.type.numbers, in_order=0 in tensor.type.numbers))


def _split(low: _Lowering, operation: Operation, view: View) -> None:
    axis, start = operation.attributes["axis"], 0
    for tensor in operation.outputs:
        stop = start + tensor.type.numbers[axis]
        step = _region(view.shape, axis, start, stop)
        low.view(
            tensor,
            view.through(step, tensor.type.numbers, in_order=tensor.type.numbers == view.shape),
        )
        start = stop


def _unstack(low: _Lowering, operation: Operation, view: View) -> None:
    axis = operation.attributes["axis"]
    for i, tensor in enumerate(operation.outputs):
        whole = view.shape[axis] == 1
        sizes = [*view.shape]
        sizes[axis] = 1
        row = view.through(_region(view.shape, axis, i, i + 1), sizes, in_order=whole)
        low.reshape(tensor, row)


def _tile(low: _Lowering, operation: Operation, view: View) -> None:
    (tensor,) = operation.outputs
    reps = operation.attributes["reps"]
    sizes = [n for pair in zip(reps, view.shape, strict=True) for n in pair]
    axes = range(1, 2 * len(view.shape), 2)
    step = functools.partial(Layout.broadcast, shape=sizes, axes=tuple(axes))
    low.reshape(tensor, view.through(step, sizes, in_order=tensor.type.numbers == view.shape))


def _region(shape: Sequence[int], axis: int, start: int, stop: int, step: int = 1) -> Step:
    starts, limits, steps = [0] * len(shape), list(shape), [1] * len(shape)
    starts[axis], limits[axis], steps[axis] = start, stop, step
    return functools.partial(Layout.sliced, starts=starts, limits=limits, steps=steps)


def _concatenate(low: _Lowering, operation: Operation, views: list[View]) -> None:
    (tensor,) = operation.outputs
    axis, start = operation.attributes["dimension"], 0
    holder = low.holder(tensor, operation.name.rsplit("/", 1)[-1])
    for view in views:
        stop = start + view.shape[axis]
        low.part(holder, view, _region(tensor.type.numbers, axis, start, stop))
        start = stop


def _stack(low: _Lowering, operation: Operation, views: list[View]) -> None:
    (tensor,) = operation.outputs
    axis = operation.attributes["axis"]
    holder = low.holder(tensor, operation.name.rsplit("/", 1)[-1])
    for i, view in enumerate(views):
        low.part(holder, view, _region(tensor.type.numbers, axis, i, i + 1))


def _pad(low: _Lowering, operation: Operation, views: list[View]) -> None:
    """Fill with the padding, write the array over it."""
    (tensor,) = operation.outputs
    view, padding = views
    config = operation.attributes["padding_config"]
    starts, limits, steps = [], [], []
    first, last = [], []
    for n, size, (low_pad, _, interior) in zip(
        view.shape, tensor.type.numbers, config, strict=True
    ):
        # Elements that negative padding cuts off are not looked at.
        inside = [i for i in range(n) if 0 <= low_pad + i * (interior + 1) < size]
        first.append(inside[0] if inside else 0)
        last.append(inside[-1] + 1 if inside else 0)
        starts.append(low_pad + first[-1] * (interior + 1) if inside else 0)
        limits.append(low_pad + inside[-1] * (interior + 1) + 1 if inside else 0)
        steps.append(interior + 1)
    kept = [b - a for a, b in zip(first, last, strict=True)]
    cut = functools.partial(Layout.sliced, starts=first, limits=last, steps=[1] * len(first))
    region = functools.partial(Layout.sliced, starts=starts, limits=limits, steps=steps)
    whole = functools.partial(Layout.broadcast, shape=tensor.type.numbers, axes=())
    holder = low.holder(tensor, operation.name.rsplit("/", 1)[-1])
    filled = low.fill(holder, padding.through(whole, tensor.type.numbers))
    if 0 not in kept:
        inner = view.through(cut, kept, in_order=tuple(kept) == view.shape)
        low.write_over(holder, inner, region, filled)


VIEW_KINDS: Final[dict[str, Callable[[_Lowering, Operation, View], None]]] = {
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "squeeze": _reshape,
    "slice": _slice,
    "transpose": _transpose,
    "rev": _rev,
    "split": _split,
    "unstack": _unstack,
    "tile": _tile,
}
HOLDER_KINDS: Final[dict[str, Callable[[_Lowering, Operation, list[View]], None]]] = {
    "concatenate": _concatenate,
    "stack": _stack,
    "pad": _pad,
}
