"""A compiled graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp

from gradion.foundation.compat.executable import Program
from gradion.graph.graph import Tensor

__all__ = ["Executable", "MemoryUse"]


@final
@dataclass(frozen=True)
class MemoryUse:
    """What a compiled program needs on its device [bytes], as XLA reports it.

    `shared` are bytes of outputs in buffers of donated inputs: they count as arguments and as
    outputs. `peak` is the most that is in use at once.
    """

    arguments: int
    outputs: int
    temporaries: int
    shared: int
    code: int
    peak: int


@final
class Executable:
    """A compiled graph: a function of flat arrays that returns a list of arrays.

    Inputs are numpy arrays and arrays of JAX, of exactly the dtypes and shapes of the graph's
    inputs; one that lies elsewhere is moved. Donated arrays of JAX are gone after the call. Raises
    TypeError for a wrong number of inputs and a wrong dtype, ValueError for a wrong shape.

    `call` is the same as calling the object, less one call of Python. `compile_seconds` is the
    time that tracing and compiling took, in an earlier process if `from_cache`; `seconds` is what
    this process spent on it.
    """

    __slots__ = (
        "__weakref__",
        "_program",
        "call",
        "compile_seconds",
        "from_cache",
        "inputs",
        "outputs",
        "seconds",
    )

    def __init__(
        self,
        program: Program,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        *,
        compile_seconds: float,
        from_cache: bool,
    ) -> None:
        self._program = program
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.compile_seconds = compile_seconds
        self.from_cache = from_cache
        self.seconds = program.seconds
        shapes = [jax.ShapeDtypeStruct(t.type.numbers, jnp.dtype(t.dtype)) for t in self.outputs]
        self.call = program.bind(len(self.inputs), shapes, self._check)

    def __call__(self, *arrays: Any) -> list[jax.Array]:
        """The outputs."""
        return self.call(*arrays)

    def memory_analysis(self) -> MemoryUse | None:
        """What the program needs on its device; None where XLA does not say."""
        found = self._program.memory()
        if found is None:
            return None
        return MemoryUse(
            arguments=found.argument_size_in_bytes,
            outputs=found.output_size_in_bytes,
            temporaries=found.temp_size_in_bytes,
            shared=found.alias_size_in_bytes,
            code=found.generated_code_size_in_bytes,
            peak=found.peak_memory_in_bytes,
        )

    def cost_analysis(self) -> Mapping[str, float]:
        """XLA's counts by its own names: "flops", "bytes accessed", "transcendentals", ..."""
        return self._program.cost()

    def _check(self, arrays: Sequence[Any]) -> None:
        if len(arrays) != len(self.inputs):
            raise TypeError(f"got {len(arrays)} inputs, expected {len(self.inputs)}")
        for tensor, array in zip(self.inputs, arrays, strict=True):
            if isinstance(array, jax.core.Tracer):
                raise TypeError(
                    f"{tensor.name}: got a traced value; use gradion.graph.evaluate under "
                    "transformations of JAX"
                )
            dtype, shape = jnp.result_type(array).name, jnp.shape(array)
            if dtype != tensor.dtype:
                raise TypeError(f"{tensor.name}: got {dtype}, expected {tensor.dtype}")
            if shape != tensor.shape:
                raise ValueError(f"{tensor.name}: got shape {shape}, expected {tensor.shape}")
