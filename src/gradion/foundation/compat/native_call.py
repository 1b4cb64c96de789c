"""A primitive of JAX for calls of native code whose rules are given by an object.

JAX asks the primitive for shapes, derivatives, transposes, batches and programs; each question is
handed to an `AbstractNativeNode`, in terms that do not change between versions of JAX: a zero
tangent is None, an argument that is to be transposed is None.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, final

import jax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import PartitionSpec

__all__ = ["AbstractNativeNode", "Program", "Shaped", "bind_node", "native_call"]

# What a node runs: flat arrays in, flat arrays out.
Program = Callable[..., Sequence[jax.Array]]
Shaped = jax.ShapeDtypeStruct

_native_p = Primitive("gradion_native_call")
_native_p.multiple_results = True


class AbstractNativeNode(ABC):
    """One kind of call, with its rules; immutable, hashable, compared by value.

    A node that maps several examples at once, or has other variants, holds that in itself: the
    rules bind other nodes by `bind_node`.
    """

    @property
    @abstractmethod
    def label(self) -> str:
        """Name for profiles and listings of the program."""

    @abstractmethod
    def results(self, arguments: Sequence[Shaped | jax.Array]) -> Sequence[Shaped]:
        """Shapes and dtypes of what the node returns for arguments of these."""

    @abstractmethod
    def program(self, platform: str) -> Program:
        """The program to compile for a platform ("cpu", "cuda", ...); raises if there is none."""

    @abstractmethod
    def derivative(
        self, arguments: Sequence[jax.Array], tangents: Sequence[jax.Array | None]
    ) -> tuple[Sequence[jax.Array], Sequence[jax.Array | None]]:
        """Results and their tangents; a tangent that is None is zero. At least one is given."""

    @abstractmethod
    def transposed(
        self,
        cotangents: Sequence[jax.Array | None],
        arguments: Sequence[jax.Array | None],
        shapes: Sequence[Shaped],
    ) -> Sequence[jax.Array | None]:
        """Cotangents for the arguments that are None, in which the node is linear.

        `shapes` are those of all arguments. A None in the result is zero; what stands at the
        other arguments is not looked at. At least one cotangent is given.
        """

    @abstractmethod
    def batched(
        self, arguments: Sequence[jax.Array], axes: Sequence[int | None], size: int
    ) -> tuple[Sequence[jax.Array], Sequence[int | None]]:
        """Results for `size` examples at once, and the axis of the examples in each."""


def bind_node(node: AbstractNativeNode, *arguments: jax.Array) -> list[jax.Array]:
    """The results of a node; eagerly, or as one equation of what is being traced."""
    return _native_p.bind(*_alike_on_mesh(arguments), node=node)


def native_call(
    target: str,
    results: Sequence[Shaped],
    arguments: Sequence[jax.Array],
    attributes: dict[str, Any],
) -> list[jax.Array]:
    """Call a registered target of the XLA FFI: row-major buffers, no side effects."""
    return list(jax.ffi.ffi_call(target, tuple(results))(*arguments, **attributes))


@functools.lru_cache(maxsize=4096)
def _compiled(node: AbstractNativeNode) -> Callable[..., list[jax.Array]]:
    def run(*arguments: Any) -> list[jax.Array]:
        return _native_p.bind(*arguments, node=node)

    # Listings and profiles of an eager call show the name of the operator.
    run.__name__ = node.label
    return jax.jit(run)


def _evaluate(*arguments: Any, node: AbstractNativeNode) -> list[jax.Array]:
    config: Any = jax.config
    if not config.jax_disable_jit:
        return _compiled(node)(*arguments)
    # Foreign code runs compiled only, under jax.disable_jit too.
    with jax.disable_jit(False):
        return _compiled(node)(*arguments)


def _abstract(*avals: Any, node: AbstractNativeNode) -> list[Any]:
    results = node.results(avals)
    on_mesh = next((a for a in avals if _varying(a)), None)
    if on_mesh is None:
        return [jax.core.ShapedArray(r.shape, r.dtype) for r in results]
    return [
        on_mesh.update(
            shape=r.shape,
            dtype=r.dtype,
            weak_type=False,
            sharding=on_mesh.sharding.update(spec=PartitionSpec(*[None] * len(r.shape))),
        )
        for r in results
    ]


def _varying(aval: Any) -> frozenset[str]:
    """The axes of a mesh along which the array differs between devices, inside of shard_map."""
    return aval.manual_axis_type.varying


def _alike_on_mesh(arguments: Sequence[jax.Array]) -> Sequence[jax.Array]:
    """All arguments varying along the same axes of a mesh, as primitives of JAX demand.

    The transpose of the cast is the sum over the devices that a replicated argument needs.
    """
    found = [_varying(jax.typeof(x)) for x in arguments]
    union = frozenset[str]().union(*found)
    if not union:
        return arguments
    return [
        jax.lax.pcast(x, tuple(union - axes), to="varying") if union - axes else x
        for x, axes in zip(arguments, found, strict=True)
    ]


def _jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, node: AbstractNativeNode
) -> tuple[Any, Any]:
    out: Sequence[jax.Array]
    given = [None if type(t) is ad.Zero else t for t in tangents]
    if all(t is None for t in given):
        out = bind_node(node, *primals)
        return out, [ad.Zero(jax.typeof(y).to_tangent_aval()) for y in out]
    out, found = node.derivative(primals, given)
    return list(out), [
        ad.Zero(jax.typeof(y).to_tangent_aval()) if t is None else t
        for y, t in zip(out, found, strict=True)
    ]


def _transpose(
    cotangents: Sequence[Any], *arguments: Any, node: AbstractNativeNode
) -> Sequence[Any]:
    given = [None if type(ct) is ad.Zero else ct for ct in cotangents]
    if all(ct is None for ct in given):
        return [None] * len(arguments)
    known = [None if ad.is_undefined_primal(a) else a for a in arguments]
    shapes = [_shaped(a.aval if ad.is_undefined_primal(a) else jax.typeof(a)) for a in arguments]
    found = node.transposed(given, known, shapes)
    return [new if a is None else None for a, new in zip(known, found, strict=True)]


def _batch(
    arguments: Sequence[Any], axes: Sequence[Any], *, node: AbstractNativeNode
) -> tuple[Any, Any]:
    size = next(a.shape[d] for a, d in zip(arguments, axes, strict=True) if d is not None)
    return node.batched(arguments, axes, size)


def _shaped(aval: Any) -> Shaped:
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype)


@final
class _Lowering:
    """The lowering rule of one platform."""

    def __init__(self, platform: str | None) -> None:
        self.platform = platform

    def __call__(self, context: Any, *operands: Any, node: AbstractNativeNode) -> Any:
        platform = self.platform or ", ".join(context.module_context.platforms)
        return mlir.lower_fun(node.program(platform), multiple_results=True)(context, *operands)


_native_p.def_impl(_evaluate)
_native_p.def_abstract_eval(_abstract)
ad.primitive_jvps[_native_p] = _jvp
ad.primitive_transposes[_native_p] = _transpose
batching.primitive_batchers[_native_p] = _batch
for _platform in ("cpu", "cuda"):
    mlir.register_lowering(_native_p, _Lowering(_platform), platform=_platform)
# All other platforms have no targets, but they may have a reference.
mlir.register_lowering(_native_p, _Lowering(None))
