"""Random graphs that are full of what passes look for: equal operations, numbers that change
nothing, moves that undo each other, conditionals and loops whose way is known.

They are put together operation by operation: a function of JAX would be simplified as it is traced.
Sizes and dtypes are few, since JAX compiles each operation for each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradion.graph import Graph, Tensor, TensorType

INPUTS = (
    ("x", TensorType("float64", (2, 3))),
    ("y", TensorType("float64", (2, 3))),
    ("z", TensorType("float64", ())),
    ("i", TensorType("int32", (2, 3))),
    ("k", TensorType("int32", ())),
    ("b", TensorType("bool", (2, 3))),
)
_NUMBERS = {
    "float64": (0.0, 0.0, -0.0, 1.0, 2.5, np.nan, -np.inf),
    "int32": (0, 1, -1, 5, 2**31 - 1),
    "bool": (False, True),
}
_ARITHMETIC = ("add", "sub", "mul", "max", "min")
_UNARY = {
    "float64": ("neg", "abs", "sign", "floor", "ceil", "exp", "square"),
    "int32": ("neg", "abs", "sign", "not", "square"),
    "bool": ("not",),
}
_BINARY = {
    "float64": (*_ARITHMETIC, "div"),
    "int32": (*_ARITHMETIC, "div", "and", "or", "xor"),
    "bool": ("and", "or", "xor"),
}
_COMPARE = ("eq", "lt", "ge")
_BETWEEN = ("float64", "float32", "int32", "int64", "bool")


def random_arrays(rng: np.random.Generator) -> list[np.ndarray]:
    """Arrays for INPUTS, with zeros of both signs, infinities and NaN among them."""
    odd = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, -2.5, 3.7])
    found: list[Any] = []
    for _, made in INPUTS:
        if made.dtype == "float64":
            found.append(rng.permutation(odd)[: made.size].reshape(made.shape))
        elif made.dtype == "int32":
            low = [0, 1, -1, 2, 7, -(2**31), 2**31 - 1]
            found.append(rng.choice(np.array(low, np.int32), made.shape))
        else:
            found.append(rng.random(made.shape) < 0.5)
    return [np.asarray(x, made.dtype) for x, (_, made) in zip(found, INPUTS, strict=True)]


def random_graph(seed: int) -> Graph:
    """A graph of INPUTS of some eighty operations; one output stands twice."""
    return _Builder(np.random.default_rng(seed), depth=0).build(INPUTS, 30)


class _Builder:
    """Puts one graph together."""

    def __init__(self, rng: np.random.Generator, depth: int) -> None:
        self.rng = rng
        self.depth = depth
        self.graph = Graph()
        self.values: list[Tensor] = []

    def build(
        self,
        inputs: Sequence[tuple[str, TensorType]],
        n_steps: int,
        outputs: Sequence[TensorType] | None = None,
    ) -> Graph:
        """A graph of these inputs and, where they are given, of outputs of these types."""
        self.values = [self.graph.placeholder(made, name=name) for name, made in inputs]
        for _ in range(n_steps):
            steps = _STEPS if self.depth < 2 else _STEPS[:-4]
            self.values += steps[self.rng.integers(len(steps))](self)
        if outputs is None:
            # Half of all values, so that a wrong one is seen, and one of them twice.
            wanted = [tensor for tensor in self.values if self.rng.random() < 0.5]
            self.graph.outputs = [*wanted, wanted[0]]
        else:
            self.graph.outputs = [self.of(made) for made in outputs]
        return self.graph

    def any(self, test: Callable[[Tensor], bool] = lambda tensor: True) -> Tensor:
        """A value, rather a late one; a constant if there is none that passes."""
        fits = [tensor for tensor in self.values if test(tensor)]
        if not fits:
            return self.constant("float64", (2, 3))
        back = min(int(self.rng.exponential(4.0)), len(fits) - 1)
        return fits[-1 - back]

    def of(self, made: TensorType) -> Tensor:
        """A value of this type."""
        fits = [tensor for tensor in self.values if tensor.type == made]
        if fits and self.rng.random() < 0.9:
            return fits[self.rng.integers(len(fits))]
        return self.constant(made.dtype, made.shape)

    def constant(self, dtype: str, shape: Sequence[Any]) -> Tensor:
        """A number, repeated or not, or numbers that differ."""
        number = np.asarray(self.rng.choice(_NUMBERS[dtype]), dtype)
        if shape and self.rng.random() < 0.5:
            tensor = self.graph.constant(number)
            return self.add(
                "broadcast_in_dim", [tensor], shape, shape=shape, broadcast_dimensions=()
            )
        if shape and self.rng.random() < 0.3:
            return self.graph.constant(self.rng.choice(_NUMBERS[dtype], shape).astype(dtype))
        return self.graph.constant(np.full(shape, number, dtype))

    def add(
        self, kind: str, inputs: Sequence[Tensor], shape: Any, dtype: str = "", /, **attributes: Any
    ) -> Tensor:
        """An operation of one result, of the first input's dtype if none is given."""
        made = TensorType(dtype or inputs[0].dtype, tuple(shape))
        return self.graph.add(kind, inputs, [made], attributes=attributes).outputs[0]

    def choose(self, *choices: Any) -> Any:
        """One of these."""
        return choices[self.rng.integers(len(choices))]

    def inside(self, inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Graph:
        """A subgraph of a few operations."""
        named = [(f"input_{n}", made) for n, made in enumerate(inputs)]
        return _Builder(self.rng, self.depth + 1).build(named, 5, outputs)


def _unary(build: _Builder) -> list[Tensor]:
    x = build.any()
    y = build.add(build.choose(*_UNARY[x.dtype]), [x], x.shape)
    # Twice the same, or its opposite.
    return [y, build.add(build.choose(*_UNARY[x.dtype]), [y], x.shape)]


def _power(build: _Builder) -> list[Tensor]:
    x = build.any(lambda tensor: tensor.dtype == "float64")
    return [build.add("integer_pow", [x], x.shape, y=int(build.rng.integers(4)))]


def _binary(build: _Builder) -> list[Tensor]:
    x = build.any()
    small = TensorType(x.dtype, ())
    y = build.choose(x, build.constant(x.dtype, ()), build.of(x.type), build.of(small))
    pair = [x, y] if build.rng.random() < 0.5 else [y, x]
    if build.rng.random() < 0.3:
        return [build.add(build.choose(*_COMPARE), pair, x.shape, "bool")]
    return [build.add(build.choose(*_BINARY[x.dtype]), pair, x.shape)]


def _with_number(build: _Builder) -> list[Tensor]:
    """Arithmetic with a number that changes nothing, or nearly nothing."""
    x = build.choose(*build.values[: len(INPUTS)])
    number = build.constant(x.dtype, build.choose((), x.shape))
    pair = [number, x] if build.rng.random() < 0.3 else [x, number]
    return [build.add(kind, pair, x.shape) for kind in _BINARY[x.dtype]]


def _select(build: _Builder) -> list[Tensor]:
    x = build.any(lambda tensor: tensor.shape == (2, 3))
    which = build.of(TensorType("bool", (2, 3)))
    y = build.choose(x, build.of(x.type))
    return [build.add("select_n", [which, x, y], x.shape, x.dtype)]


def _convert(build: _Builder) -> list[Tensor]:
    x = build.any()
    first, second = build.choose(*_BETWEEN), build.choose(x.dtype, *_NUMBERS)
    y = build.add("convert_element_type", [x], x.shape, first, new_dtype=first)
    return [build.add("convert_element_type", [y], x.shape, second, new_dtype=second)]


def _again(build: _Builder) -> list[Tensor]:
    """An operation once more, as it is or of the same inputs the other way round."""
    known = {o.outputs[0].type for o in build.graph if o.kind == "placeholder"}
    made = [o for o in build.graph if o.inputs and not o.subgraphs and o.outputs[0].type in known]
    if not made:
        return []
    operation = made[build.rng.integers(len(made))]
    inputs = operation.inputs
    if build.rng.random() < 0.3 and len(inputs) == 2 and inputs[0].type == inputs[1].type:
        inputs = inputs[::-1]
    types = [tensor.type for tensor in operation.outputs]
    return list(
        build.graph.add(operation.kind, inputs, types, attributes=operation.attributes).outputs
    )


def _regroup(build: _Builder) -> list[Tensor]:
    x = build.any(lambda tensor: tensor.shape == (2, 3))
    y = build.add(
        "reshape", [x], shape := build.choose((2, 3), (6,), (1, 6), (3, 2)), new_sizes=shape
    )
    if shape == (1, 6):
        y = build.add("squeeze", [y], (6,), dimensions=(0,))
    z = build.add("reshape", [y], (1, 2, 3), new_sizes=(1, 2, 3))
    w = build.add(
        "broadcast_in_dim", [z], (2, 2, 3), shape=(2, 2, 3), broadcast_dimensions=(0, 1, 2)
    )
    v = build.add("reduce_max", [w], (2, 3), axes=(0,))
    return [v]


def _reorder(build: _Builder) -> list[Tensor]:
    x = build.any(lambda tensor: tensor.shape == (2, 3))
    y = build.add("transpose", [x], (3, 2), permutation=(1, 0))
    if build.rng.random() < 0.5:
        y = build.add("rev", [y], (3, 2), dimensions=build.choose((0,), (1,), (0, 1)))
        y = build.add("rev", [y], (3, 2), dimensions=build.choose((0,), (1,), (0, 1)))
    return [build.add("transpose", [y], (2, 3), permutation=(1, 0))]


def _part(build: _Builder) -> list[Tensor]:
    x = build.any(lambda tensor: tensor.shape == (2, 3))
    y = build.of(x.type)
    joined = build.add("concatenate", [x, y], (4, 3), dimension=0)
    start = int(build.rng.integers(3))
    taken = build.add(
        "slice",
        [joined],
        (2, 3),
        start_indices=(start, 0),
        limit_indices=(start + 2, 3),
        strides=(1, 1),
    )
    wide = build.add(
        "slice", [x], (2, 2), start_indices=(0, 0), limit_indices=(2, 3), strides=(1, 2)
    )
    back = build.add(
        "slice", [wide], (1, 1), start_indices=(1, 1), limit_indices=(2, 2), strides=(1, 1)
    )
    number = build.add("reshape", [back], (), new_sizes=())
    return [taken, number]


def _dynamic(build: _Builder) -> list[Tensor]:
    x = build.any(lambda tensor: tensor.shape == (2, 3))
    start = [build.of(TensorType("int32", ())), build.graph.constant(np.int32(0))]
    row = build.add("dynamic_slice", [x, *start], (1, 3), slice_sizes=(1, 3))
    whole = build.add(
        "dynamic_update_slice", [x, build.choose(row, build.of(x.type)), *start], (2, 3)
    )
    return [whole]


def _table(build: _Builder) -> list[Tensor]:
    dtype = build.choose("float64", "int32")
    count = build.add("iota", [], (2, 3), dtype, dtype=dtype, shape=(2, 3), dimension=1)
    return [count, build.constant(dtype, (2, 3)), build.constant(dtype, ())]


def _join(build: _Builder) -> list[Tensor]:
    x = build.any(lambda tensor: tensor.shape == (2, 3))
    one = build.add("concatenate", [x], (2, 3), dimension=0)
    number = build.of(TensorType(x.dtype, ()))
    padded = build.add("pad", [one, number], (2, 3), padding_config=((0, 0, 0), (0, 0, 0)))
    tiled = build.add("tile", [padded], (2, 3), reps=(1, 1))
    return [build.add("split", [tiled], (2, 3), sizes=(2,), axis=0)]


def _sum(build: _Builder) -> list[Tensor]:
    x = build.any(lambda tensor: tensor.dtype in ("float64", "int32") and tensor.shape == (2, 3))
    return [build.add("reduce_sum", [x], (), axes=(0, 1))]


def _cond(build: _Builder) -> list[Tensor]:
    operands = [build.any() for _ in range(3)]
    types = [TensorType("float64", (2, 3)), TensorType("int32", ())]
    branches = [
        build.inside([t.type for t in operands], types) for _ in range(build.choose(1, 2, 3))
    ]
    index = build.choose(build.of(TensorType("int32", ())), build.constant("int32", ()))
    return list(build.graph.add("cond", [index, *operands], types, subgraphs=branches).outputs)


def _scan(build: _Builder) -> list[Tensor]:
    constant, carry = build.any(), build.any()
    length = build.choose(1, 2)  # without jit, JAX runs no scan of length 0
    rows = build.add(
        "iota", [], (length, 2, 3), "float64", dtype="float64", shape=(length, 2, 3), dimension=2
    )
    row = TensorType("float64", (2, 3))
    body = build.inside([constant.type, carry.type, row], [carry.type, row])
    attributes = {"n_constants": 1, "n_carries": 1, "length": length, "reverse": False}
    types = [carry.type, TensorType("float64", (length, 2, 3))]
    made = build.graph.add(
        "scan", [constant, carry, rows], types, attributes=attributes, subgraphs=[body]
    )
    return [made.outputs[0]]


def _while(build: _Builder) -> list[Tensor]:
    x = build.any()
    count = build.graph.constant(np.int32(0))
    number = TensorType("int32", ())
    condition, body = Graph(), build.inside([number, x.type], [number, x.type])
    _, first, _ = (
        condition.placeholder(t, name=f"input_{n}") for n, t in enumerate((number, number, x.type))
    )
    if build.rng.random() < 0.5:
        condition.outputs = [condition.constant(np.asarray(False))]
    else:
        limit = condition.constant(np.int32(2))
        condition.outputs = condition.add("lt", [first, limit], [TensorType("bool", ())]).outputs
    # The first carry counts: the body gives it plus one, whatever else it does.
    one = body.constant(np.int32(1))
    counted = body.add("add", [body.inputs[0], one], [number]).outputs[0]
    body.outputs = [counted, body.outputs[1]]
    attributes = {"n_cond_constants": 1, "n_body_constants": 0}
    made = build.graph.add(
        "while",
        [build.of(number), count, x],
        [number, x.type],
        attributes=attributes,
        subgraphs=[condition, body],
    )
    return list(made.outputs)


def _custom(build: _Builder) -> list[Tensor]:
    operands = [build.any(), build.any()]
    types = [TensorType("float64", (2, 3))]
    value = build.inside([t.type for t in operands], types)
    kind = build.choose("custom_jvp", "custom_vjp")
    attributes = {"function": "f"}
    # Without a rule: a run does not look at it.
    made = build.graph.add(kind, operands, types, attributes=attributes, subgraphs=[value])
    return list(made.outputs)


_Step = Callable[[_Builder], list[Tensor]]
_PLAIN: tuple[_Step, ...] = (_unary, _power, _binary, _binary, *[_with_number] * 4, _select)
_STEPS: tuple[_Step, ...] = (
    *(*_PLAIN, _convert, _again, _again, _regroup, _reorder, _part, _dynamic, _table, _join, _sum),
    *(_cond, _scan, _while, _custom),
)
