"""Graphs compiled by XLA, kept on disk, and exported as StableHLO."""

from gradion.graph.xla.compile_xla import compile_xla
from gradion.graph.xla.executable import Executable, MemoryUse
from gradion.graph.xla.executable_cache import ExecutableCache, user_cache
from gradion.graph.xla.export import export_stablehlo, run_stablehlo

__all__ = [
    "Executable",
    "ExecutableCache",
    "MemoryUse",
    "compile_xla",
    "user_cache",
    "export_stablehlo",
    "run_stablehlo",
]
