"""The handlers of the XLA FFI around generated functions, and the operator that calls them."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from gradion.extension import Array, LeadingAxis, Library, Operator, load
from gradion.extension.cache_folder import cache_folder
from gradion.foundation.atomic_file import write_atomically
from gradion.graph.cpp.function import FunctionText
from gradion.graph.cpp.names import Names
from gradion.graph.cpp.scalar_type import itemsize
from gradion.graph.cpp.source import CppSource
from gradion.graph.cpp.value import Buffer
from gradion.graph.graph import Graph, Tensor

__all__ = ["build_library", "handler_text", "make_operator"]

_FFI_TYPES: Final = {
    "bool": "PRED",
    "float32": "F32",
    "float64": "F64",
    "int32": "S32",
    "int64": "S64",
    "uint8": "U8",
    "uint32": "U32",
}


def build_library(name: str, source: CppSource) -> Library:
    """The compiled functions of a source with a handler each, `<function>_handler`.

    The text decides: a structure that was compiled before, by any process, is not compiled again.
    """
    call = Path(__file__).with_name("graph_call.h").read_text(encoding="utf-8")
    handlers = [handler_text(key, function) for key, function in source.functions.items()]
    return load(name, _kept(name, "\n".join([source.text, call, *handlers])))


def handler_text(name: str, function: FunctionText) -> str:
    """The C++ of a handler."""
    return f"""
static ffi::Error {name}_call(ffi::RemainingArgs args, ffi::RemainingRets rets) {{
  const GraphFunction function{{
      "{name}", {name}, {name}_workspace(),
      {{{_arrays(function.inputs)}}},
      {{{_arrays(function.outputs)}}}}};
  return CallGraph(function, args, rets);
}}
XLA_FFI_DEFINE_HANDLER_SYMBOL({name}_handler, {name}_call,
                              ffi::Ffi::Bind().RemainingArgs().RemainingRets());
"""


def _arrays(buffers: Sequence[Buffer]) -> str:
    return ", ".join(
        f"{{ffi::{_FFI_TYPES[b.dtype]}, {b.size}, {itemsize(b.dtype)}}}" for b in buffers
    )


def _kept(name: str, text: str) -> Path:
    """The text as a file, under a name that follows from it."""
    content = text.encode()
    digest = hashlib.sha256(content).hexdigest()[:16]
    cache = cache_folder()
    if cache is not None:
        path = cache.parent / "graph" / digest / f"{name}.cc"
        # A cache that cannot be written costs the file its place, not more.
        with contextlib.suppress(OSError):
            if not path.is_file() or path.read_bytes() != content:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, content)
            return path
    path = Path(tempfile.mkdtemp(prefix="gradion-graph-")) / f"{name}.cc"
    path.write_bytes(content)
    return path


def make_operator(
    name: str,
    library: Library,
    graph: Graph,
    reference: Callable[..., Any],
    *,
    differentiable: bool,
) -> Operator:
    """The operator of a value function, with its derivatives where the library has them."""
    names = Names()
    return Operator(
        name,
        inputs=tuple(_array(names, t, t.operation.name) for t in graph.inputs),
        outputs=tuple(_array(names, t, f"out_{i}") for i, t in enumerate(graph.outputs)),
        forward=library.target(f"{name}_handler"),
        jvp=library.target(f"{name}_jvp_handler") if differentiable else None,
        vjp=library.target(f"{name}_vjp_handler") if differentiable else None,
        reference=reference,
        batching=LeadingAxis(),
    )


def _array(names: Names, tensor: Tensor, name: str) -> Array:
    return Array(names.unique(name), tensor.dtype, tensor.type.numbers)
