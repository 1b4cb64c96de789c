"""Compiled programs of JAX: made, called, kept as bytes.

The one place in gradion that looks into an executable. JAX keeps compiled programs in two formats:
a pickle (`jax.experimental.serialize_executable`) and, in its own cache, the bytes of the runtime,
which nothing but the runtime reads. This is the second one.

A call goes the way of a call of a function of `jax.jit`: a lookup in C++ by the types of the
arguments, and, for types that are not there yet, a function of Python that checks them. Loaded
programs are called in the same way, which JAX itself does not offer without its pickle.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import jax
from jax._src import config as _config
from jax._src import tree_util as _tree_util
from jax._src.interpreters import pxla as _pxla
from jax.interpreters import mlir as _mlir
from jax.sharding import Sharding, SingleDeviceSharding
from jaxlib import _jax
from jaxlib.mlir import ir as _ir

__all__ = [
    "Placement",
    "Program",
    "compile_program",
    "foreign_calls",
    "load_program",
    "no_source_lines",
    "settings",
]

Call = Callable[..., list[jax.Array]]
# Raises for arguments that do not fit.
Check = Callable[[Sequence[Any]], None]

_NAME: Final = "gradion_graph"
# Settings that say what is told, kept or forbidden, not what is compiled. Any other one counts:
# a setting too many costs a compilation, one too few a wrong result.
_HARMLESS: Final = (
    "jax_compilation_cache",
    "jax_cpu_enable_async_dispatch",
    "jax_debug_log_modules",
    "jax_dump_ir",
    "jax_enable_compilation_cache",
    "jax_explain_cache_misses",
    "jax_include_debug_info_in_dumps",
    "jax_log",
    "jax_persistent_cache_min",
    "jax_platforms",
    "jax_pprint_use_color",
    "jax_raise_persistent_cache_errors",
    "jax_traceback",
    "jax_tracer_error",
    "jax_transfer_guard",
)


@final
@dataclass(frozen=True)
class Placement:
    """Where a program runs: how its inputs and outputs lie, and whether a user has said so.

    Outputs of a program whose place nobody has chosen are not committed to it: JAX may move them.
    """

    sharding: Sharding
    committed: bool

    @classmethod
    def of(cls, device: jax.Device | Sharding | None) -> Placement:
        """Return the place that a device or a sharding names; for None the default device."""
        if isinstance(device, Sharding):
            return cls(device, committed=True)
        if device is not None:
            return cls(SingleDeviceSharding(device), committed=True)
        config: Any = jax.config
        default = config.jax_default_device
        if default is None or isinstance(default, str):
            default = jax.local_devices(backend=default)[0]
        return cls(SingleDeviceSharding(default), committed=False)

    @property
    def devices(self) -> tuple[jax.Device, ...]:
        """The devices, in the order in which the program counts them."""
        return tuple(self.sharding._device_assignment)

    def description(self) -> list[str]:
        """What of it a compiled program depends on, besides the processor."""
        client: Any = self.devices[0].client
        devices = [f"{device.id} {device.device_kind}" for device in self.devices]
        return [client.platform, client.platform_version, repr(self.sharding), *devices]


@final
@dataclass(frozen=True)
class Program:
    """A compiled program, ready to run, with its place.

    `seconds` is what it took to trace and compile it, or to load it. `foreign` are the names of
    calls of code that is not XLA's own, as far as they are known: a loaded program has none.
    """

    executable: Any
    placement: Placement
    seconds: float
    foreign: frozenset[str]

    def serialize(self) -> bytes | None:
        """Machine code with all that the runtime needs to run it, of a program that has a key.

        None where the runtime of the device has no such form.
        """
        try:
            return bytes(self.executable.serialize())
        except RuntimeError:
            return None

    def memory(self) -> Any:
        """Bytes as XLA reports them: `argument_size_in_bytes` and others; None if it does not."""
        return self.executable.get_compiled_memory_stats()

    def cost(self) -> Mapping[str, float]:
        """XLA's count of operations and of bytes moved; empty where it counts none."""
        found = self.executable.cost_analysis()
        return dict(found) if found else {}

    def bind(self, n_inputs: int, outputs: Sequence[Any], check: Check) -> Call:
        """Return the program as a function of flat arrays.

        `outputs` have shapes and dtypes; `check` is asked about arguments of types that were not
        seen before.
        """
        sharding, committed = self.placement.sharding, self.placement.committed
        avals = [jax.core.ShapedArray(out.shape, out.dtype) for out in outputs]
        in_shardings, out_shardings = [sharding] * n_inputs, [sharding] * len(avals)
        place = _pxla.InputsHandler(in_shardings, [None] * n_inputs)
        results = _pxla.global_avals_to_results_handler(avals, out_shardings, committed)
        tree = _tree_util.tree_structure([0] * len(avals))
        fast = _pxla.MeshExecutableFastpathData(
            self.executable,
            tree,
            in_shardings,
            out_shardings,
            avals,
            [committed] * len(avals),
            [True] * n_inputs,
            [None] * n_inputs,
            [],
        )

        def call(*arrays: Any) -> tuple[list[jax.Array], Any, bool]:
            check(arrays)
            run = self.executable.execute_sharded(place(arrays))
            found = run.consume_with_handlers(results.handlers)
            # Arrays from elsewhere are moved each time: the call in C++ takes them where they are.
            here = all(not isinstance(x, jax.Array) or x.sharding == sharding for x in arrays)
            return list(found), fast if here else None, False

        return _jax.pjit(
            _NAME,
            None,
            call,
            [],
            [],
            _pxla.JitGlobalCppCacheKeys(),
            _tree_util.dispatch_registry,
            _pxla.cc_shard_arg,
        )


def compile_program(
    function: Callable[..., Sequence[jax.Array]],
    shapes: Sequence[jax.ShapeDtypeStruct],
    *,
    donated: Sequence[int],
    placement: Placement,
    key: str | None = None,
) -> Program:
    """Compile a function of flat arrays; the buffers of the inputs at `donated` may be reused.

    A program to be serialized needs a key. It is compiled without JAX's own cache: one that JAX has
    loaded from there serializes to bytes that load and then fail when they run (jaxlib 0.10.2 and
    0.12.0.1, "Function ... not found").
    """

    def flat(*arrays: Any) -> Sequence[jax.Array]:
        return function(*arrays)

    # The name is in the key of JAX's cache: it finds nothing under one that it has never kept.
    flat.__name__ = _NAME if key is None else f"{_NAME}_{key[:16]}"
    jitted = jax.jit(
        flat,
        donate_argnums=tuple(donated),
        keep_unused=True,  # one buffer an input, whether or not it is used
        in_shardings=placement.sharding,
        out_shardings=placement.sharding,
    )
    began = time.perf_counter()
    with contextlib.ExitStack() as stack:
        # Constants stay in the program; else they would become inputs.
        stack.enter_context(_config.use_simplified_jaxpr_constants(False))
        stack.enter_context(no_source_lines())
        if key is not None:
            stack.enter_context(_config.persistent_cache_min_compile_time_secs(math.inf))
        lowered = jitted.lower(*shapes)
        compiled = lowered.compile()
    seconds = time.perf_counter() - began
    foreign = _foreign_calls(lowered.compiler_ir("stablehlo"))
    return Program(compiled.runtime_executable(), placement, seconds, foreign)


def load_program(content: bytes, *, placement: Placement) -> Program:
    """Return a program from its bytes, without tracing and without compiling.

    Whoever can write these bytes can run code here: they must come from a private place. Raises
    RuntimeError if the runtime does not take them.
    """
    devices = placement.devices
    began = time.perf_counter()
    executable = devices[0].client.deserialize_executable(content, _jax.DeviceList(devices))
    return Program(executable, placement, time.perf_counter() - began, frozenset())


def no_source_lines() -> contextlib.AbstractContextManager[None]:
    """Leave lines of Python out of what is lowered in the context; names of operations stay."""
    return _config.traceback_in_locations_limit(0)


def settings() -> list[str]:
    """JAX's settings that may change what is compiled, in this thread, as `name=value`."""
    config: Any = jax.config
    return [
        f"{name}={getattr(config, name, value)!r}"
        for name, value in sorted(config.values.items())
        if not name.startswith(_HARMLESS)
    ]


def foreign_calls(text: str) -> frozenset[str]:
    """Return the names of all calls of other code in a program of StableHLO, given as text."""
    with _mlir.make_ir_context():
        return _foreign_calls(_ir.Module.parse(text))


def _foreign_calls(module: Any) -> frozenset[str]:
    found = set()

    def look(operation: Any) -> Any:
        if operation.name == "stablehlo.custom_call":
            found.add(str(operation.attributes["call_target_name"]).strip('"'))
        return _ir.WalkResult.ADVANCE

    module.operation.walk(look)
    return frozenset(found)
