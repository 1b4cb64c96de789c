"""The self-test of an operator: against its reference, and against itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, final

import jax
import jax.numpy as jnp
import numpy as np

from gradion.extension.arguments import as_arrays, bind_attributes, bind_sizes
from gradion.extension.check_program import (
    Call,
    by_operator,
    by_reference,
    directions,
    jvp_program,
    same_bits,
    second_jvp_program,
    second_vjp_program,
    vjp_program,
    worst_error,
)
from gradion.extension.check_report import CheckReport, CheckRow
from gradion.extension.declaration import Kind
from gradion.extension.operator import Operator

__all__ = ["check_operator"]

# Read by native code, at each call, that starts threads of its own.
_THREADS_VARIABLE: Final = "GRADION_NUM_THREADS"
# What programs raise that do not work for a case; a row shows it.
_FAILURES: Final = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)
_EXAMPLES_IN_BATCH: Final = 3

_Make = Callable[[dict[str, int]], Sequence[Any]]
_Inputs = list[jax.Array]


def check_operator(
    operator: Operator,
    *examples: Sequence[Any],
    attributes: Mapping[str, Any] | None = None,
    make: _Make | None = None,
    rtol: float | None = None,
    threads: Sequence[int] = (1, 2, 3, 7),
    verbose: bool = True,
) -> CheckReport:
    """Compare an operator with its reference and with itself; print and return a table.

    An example is a tuple of inputs; `attributes` go with all of them. Each example: value, jvp,
    vjp and declared second derivatives against those of the reference, and jvp against vjp by
    <w, J t> = <J^T w, t>. The first one also: `jax.vmap` over each input and over all against a
    loop; two runs, and any number of `threads`, bit by bit (native code is told by the
    environment variable GRADION_NUM_THREADS, which it should read at each call); inputs that lie
    transposed or with gaps in memory; and named dimensions of size 0, 1, one less, and odd ones.

    For other sizes `make(sizes)` returns inputs, given the size of each dimension named in the
    inputs. Without it floating inputs are cut, and integer ones, which may have to fit to sizes,
    are a reason not to check.

    `rtol` bounds the difference of each number, relative to itself plus the mean size of its
    array; by default 1e-10 in float64, 1e-4 in float32 and 2e-2 below. What cannot be checked has
    a row that says why. Raises ValueError without an example, and what the operator raises for an
    example that does not fit.
    """
    if not examples:
        raise ValueError(f"check_operator({operator.name!r}): expected at least one example")
    check = _Check(operator, dict(attributes or {}), rtol, threads)
    arrays = [as_arrays(operator.declaration, example) for example in examples]
    for number, inputs in enumerate(arrays, 1):
        check.against_reference(f"example {number}", inputs)
        check.adjoint(f"example {number}", inputs)
    check.mapped(arrays[0])
    check.repeated(arrays[0])
    check.layouts(arrays[0])
    check.sizes(arrays[0], make)
    report = CheckReport(operator.name, tuple(check.rows))
    if verbose:
        report.print()
    return report


@final
class _Check:
    """The rows, as they come."""

    def __init__(
        self,
        operator: Operator,
        attributes: dict[str, Any],
        rtol: float | None,
        threads: Sequence[int],
    ) -> None:
        self.declared = operator.declaration
        self.attributes = dict(bind_attributes(self.declared, attributes))
        self.native = by_operator(operator, self.attributes)
        self.reference: Call | None = None
        if self.declared.reference is not None:
            self.reference = by_reference(self.declared, self.attributes)
        self.rtol = rtol
        self.threads = tuple(threads)
        self.smooth = bool(self.declared.smooth_inputs and self.declared.smooth_outputs)
        self.rows: list[CheckRow] = []

    # Rows

    def skip(self, check: str, case: str, why: str) -> None:
        self.rows.append(CheckRow(check, case, None, note=why))

    def compare(
        self,
        check: str,
        case: str,
        found: Callable[[], Sequence[jax.Array]],
        expected: Callable[[], Sequence[jax.Array]],
        *,
        bits: bool = False,
        note: str = "",
    ) -> None:
        """A row from two programs; where that of comparison does not work nothing is checked."""
        try:
            right = jax.block_until_ready(list(expected()))
        except _FAILURES as error:
            self.skip(check, case, f"what it is compared with raises {_short(error)}")
            return
        try:
            got = jax.block_until_ready(list(found()))
        except _FAILURES as error:
            self.rows.append(CheckRow(check, case, False, note=f"raises {_short(error)}"))
            return
        if bits:
            self.rows.append(CheckRow(check, case, same_bits(got, right), note=note))
            return
        difference = worst_error(got, right)
        self.rows.append(
            CheckRow(check, case, difference <= self.tolerance(right), difference, note)
        )

    def tolerance(self, arrays: Sequence[jax.Array]) -> float:
        if self.rtol is not None:
            return self.rtol
        coarsest = max(
            (jnp.finfo(x.dtype).eps for x in arrays if jnp.issubdtype(x.dtype, jnp.inexact)),
            default=0.0,
        )
        return 1e-10 if coarsest < 1e-12 else 1e-4 if coarsest < 1e-5 else 2e-2

    def programs(self, inputs: _Inputs) -> Iterator[tuple[str, Kind, Any, tuple[Any, ...]]]:
        """Name, kind, maker and further arguments of each derivative of first order."""
        if not self.smooth:
            return
        generator = np.random.default_rng(0)
        shapes = jax.eval_shape(self.native, inputs)
        t = directions(
            [x for a, x in zip(self.declared.inputs, inputs, strict=True) if a.differentiable],
            generator,
        )
        w = directions(
            [y for a, y in zip(self.declared.outputs, shapes, strict=True) if a.differentiable],
            generator,
        )
        yield "jvp", Kind.PUSH, jvp_program, (t,)
        yield "vjp", Kind.PULL, vjp_program, (w,)
        if self.declared.targets[Kind.SECOND_PUSH]:
            yield "second jvp", Kind.SECOND_PUSH, second_jvp_program, (t,)
        if self.declared.targets[Kind.SECOND_PULL]:
            yield "second vjp", Kind.SECOND_PULL, second_vjp_program, (t, w)

    # Checks

    def against_reference(self, case: str, inputs: _Inputs, *, derivatives: bool = True) -> None:
        reference = self.reference
        if reference is None:
            self.skip("value", case, "there is no reference")
            return
        self.compare(
            "value",
            case,
            lambda: jax.jit(self.native)(inputs),
            lambda: jax.jit(reference)(inputs),
        )
        if not derivatives:
            return
        if not self.smooth:
            self.skip("jvp and vjp", case, "nothing is declared differentiable")
        for name, kind, maker, rest in self.programs(inputs):
            by_both = [jax.jit(maker(self.declared, call)) for call in (self.native, reference)]
            self.compare(
                name,
                case,
                partial(by_both[0], inputs, *rest),
                partial(by_both[1], inputs, *rest),
                note="" if self.declared.targets[kind] else "no target: by the reference",
            )

    def adjoint(self, case: str, inputs: _Inputs) -> None:
        if not self.smooth:
            return
        missing = [
            kind.value for kind in (Kind.PUSH, Kind.PULL) if not self.declared.has_rule(kind)
        ]
        if missing:
            why = f"there is neither {missing[0]}= nor a reference"
            self.skip("adjoint", case, why)
            return
        (_, _, push, (t,)), (_, _, pull, (w,)) = list(self.programs(inputs))[:2]
        try:
            pushed = jax.jit(push(self.declared, self.native))(inputs, t)
            pulled = jax.jit(pull(self.declared, self.native))(inputs, w)
        except _FAILURES as error:
            self.rows.append(CheckRow("adjoint", case, False, note=f"raises {_short(error)}"))
            return
        terms = [_products(w, pushed), _products(pulled, t)]
        scale = sum(np.abs(x).sum() for x in terms)
        difference = float(abs(terms[0].sum() - terms[1].sum()) / scale) if scale else 0.0
        self.rows.append(
            CheckRow("adjoint", case, difference <= self.tolerance(pulled), difference)
        )

    def mapped(self, inputs: _Inputs) -> None:
        stacked = [_batch_of(x) for x in inputs]
        n = len(inputs)
        cases = [(f"over {a.name}", [i]) for i, a in enumerate(self.declared.inputs)]
        for case, over in [*cases, ("over all inputs", list(range(n)))]:
            axes = [0 if i in over else None for i in range(n)]
            batch = [stacked[i] if i in over else inputs[i] for i in range(n)]
            programs: list[tuple[str, Any, tuple[Any, ...]]] = [("vmap of value", self.native, ())]
            if len(over) == n:
                programs += [
                    (f"vmap of {name}", maker(self.declared, self.native), rest)
                    for name, kind, maker, rest in self.programs(inputs)
                    if self.declared.has_rule(kind)
                ]
            for check, program, rest in programs:
                self._mapped_row(check, case, program, (batch, *rest), (axes, *[None] * len(rest)))
        for name, kind, maker, rest in self.programs(inputs):
            # Derivatives at one point, as jax.jacfwd and jax.jacrev ask for.
            if kind in (Kind.PUSH, Kind.PULL) and self.declared.has_rule(kind):
                program = maker(self.declared, self.native)
                many = [_batch_of(x) for x in rest[0]]
                case = "over directions"
                self._mapped_row(f"vmap of {name}", case, program, (inputs, many), (None, 0))

    def _mapped_row(
        self,
        check: str,
        case: str,
        program: Callable[..., Any],
        arguments: tuple[Any, ...],
        axes: tuple[Any, ...],
    ) -> None:
        """A row that compares a mapped program with a loop; axes are 0 or None, as for vmap."""
        single = jax.jit(program)
        leaves, tree = jax.tree.flatten(arguments)
        mapped = jax.tree.leaves(
            [
                jax.tree.map(lambda _, a=axis: a == 0, argument)
                if not isinstance(axis, list)
                else [a == 0 for a in axis]
                for argument, axis in zip(arguments, axes, strict=True)
            ]
        )

        def looped() -> list[jax.Array]:
            found = []
            for k in range(_EXAMPLES_IN_BATCH):
                one = [x[k] if each else x for x, each in zip(leaves, mapped, strict=True)]
                found.append(single(*jax.tree.unflatten(tree, one)))
            return [jnp.stack(parts) for parts in zip(*found, strict=True)]

        self.compare(
            check,
            case,
            lambda: jax.jit(jax.vmap(program, in_axes=axes))(*arguments),
            looped,
        )

    def repeated(self, inputs: _Inputs) -> None:
        programs: list[tuple[str, Any, tuple[Any, ...]]] = [("value", self.native, ())]
        programs += [
            (name, maker(self.declared, self.native), rest)
            for name, kind, maker, rest in self.programs(inputs)
            if self.declared.has_rule(kind)
        ]
        for name, program, rest in programs:
            compiled = jax.jit(program)

            def run(compiled: Any = compiled, rest: Any = rest) -> list[Any]:
                # Copied out: memory that is given back may be what the next run is written to.
                return [np.array(x) for x in compiled(inputs, *rest)]

            self.compare(f"{name} twice", "example 1", run, run, bits=True)
            if len(self.threads) < 2:
                continue
            first, others = self.threads[0], self.threads[1:]

            self.compare(
                f"{name}, threads",
                f"{', '.join(map(str, others))} against {first}",
                partial(_with_threads, run, others),
                partial(_with_threads, run, [first] * len(others)),
                bits=True,
            )

    def layouts(self, inputs: _Inputs) -> None:
        turned = [x.T for x in inputs]
        gapped = [jnp.repeat(x, 2, axis=-1) if x.ndim else x for x in inputs]

        def by_turned(arrays: _Inputs) -> list[jax.Array]:
            return self.native([x.T for x in arrays])

        def by_gapped(arrays: _Inputs) -> list[jax.Array]:
            return self.native([x[..., ::2] if x.ndim else x for x in arrays])

        def plain() -> list[jax.Array]:
            return jax.jit(self.native)(inputs)

        if any(x.ndim > 1 for x in inputs):
            self.compare(
                "layout", "transposed", lambda: jax.jit(by_turned)(turned), plain, bits=True
            )
            fortran: list[Any] = [np.asfortranarray(x) for x in inputs]
            self.compare(
                "layout", "numpy, by columns", lambda: self.native(fortran), plain, bits=True
            )
        if any(x.ndim for x in inputs):
            self.compare(
                "layout", "every second", lambda: jax.jit(by_gapped)(gapped), plain, bits=True
            )

    def sizes(self, inputs: _Inputs, make: _Make | None) -> None:
        declared = self.declared
        named = dict.fromkeys(
            dim for array in declared.inputs for dim in array.dims if isinstance(dim, str)
        )
        known = bind_sizes(declared, [x.shape for x in inputs], self.attributes)
        there = {name: known[name] for name in named}
        if not there:
            return
        if make is None and any(not jnp.issubdtype(x.dtype, jnp.inexact) for x in inputs):
            self.skip("sizes", "all", "integer inputs may have to fit to the sizes: give make=")
            return
        for sizes in _other_sizes(there, larger=make is not None):
            case = ", ".join(f"{name} = {size}" for name, size in sizes.items())
            try:
                made = _cut(declared.inputs, inputs, sizes) if make is None else make(dict(sizes))
                arrays = as_arrays(declared, made)
                got = bind_sizes(declared, [x.shape for x in arrays], self.attributes)
            except _FAILURES as error:
                self.skip("sizes", case, f"inputs of these sizes cannot be had: {_short(error)}")
                continue
            if any(got[name] != size for name, size in sizes.items()):
                self.skip("sizes", case, "make= returned inputs of other sizes")
                continue
            self.against_reference(case, arrays, derivatives=self.smooth)


def _with_threads(run: Callable[[], list[Any]], numbers: Sequence[int]) -> list[Any]:
    found = []
    for n in numbers:
        with _threads(n):
            found += run()
    return found


@contextmanager
def _threads(n: int) -> Iterator[None]:
    before = os.environ.get(_THREADS_VARIABLE)
    os.environ[_THREADS_VARIABLE] = str(n)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_THREADS_VARIABLE]
        else:
            os.environ[_THREADS_VARIABLE] = before


def _batch_of(x: jax.Array) -> jax.Array:
    """Examples that differ a little; integers are repeated, since others may not be valid."""
    copies = [x] * _EXAMPLES_IN_BATCH
    if jnp.issubdtype(x.dtype, jnp.inexact):
        copies = [(x * (1 + 0.01 * k)).astype(x.dtype) for k in range(_EXAMPLES_IN_BATCH)]
    return jnp.stack(copies)


def _other_sizes(there: Mapping[str, int], *, larger: bool) -> list[dict[str, int]]:
    """Each dimension 0, 1 and one less in turn, and all of them odd, twice."""
    found = [
        {**there, name: size}
        for name, n in there.items()
        for size in sorted({0, 1, max(n - 1, 0)} - {n})
    ]
    generator = np.random.default_rng(1)
    for _ in range(2):
        # At most the size that is there, unless inputs can be made: a cut only takes away.
        highest = {name: max(2 * n, 9) if larger else n for name, n in there.items()}
        odd = {
            name: 2 * int(generator.integers(0, (top + 1) // 2)) + 1 if top else 0
            for name, top in highest.items()
        }
        if odd not in found and odd != there:
            found.append(odd)
    return found


def _cut(declared: Sequence[Any], inputs: _Inputs, sizes: Mapping[str, int]) -> list[jax.Array]:
    return [
        x[tuple(slice(sizes[dim]) if isinstance(dim, str) else slice(None) for dim in array.dims)]
        for array, x in zip(declared, inputs, strict=True)
    ]


def _products(left: Sequence[jax.Array], right: Sequence[jax.Array]) -> np.ndarray:
    return np.concatenate(
        [
            (np.asarray(x).astype(complex) * np.asarray(y).astype(complex)).ravel()
            for x, y in zip(left, right, strict=True)
        ]
    )


def _short(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0][:120] if lines else ''}"
