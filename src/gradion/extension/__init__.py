"""Native code in C++ or CUDA: built when it is needed, called as a function of JAX."""

from gradion.extension.array import Array, OneOf
from gradion.extension.batching import AbstractBatching, LeadingAxis, Sequential
from gradion.extension.build import BuildError
from gradion.extension.build_cache import BuildCache, open_cache
from gradion.extension.check import check_operator
from gradion.extension.check_report import CheckReport, CheckRow
from gradion.extension.declaration import SecondDerivative
from gradion.extension.flags import Flags
from gradion.extension.kernel import Kernel, NativeTargets, find_kernels
from gradion.extension.library import (
    Library,
    SymbolNotFoundError,
    Target,
    load,
    load_prebuilt,
)
from gradion.extension.native_node import MissingRuleError
from gradion.extension.operator import Operator
from gradion.extension.registry import (
    call_operator,
    describe_call,
    find_operator,
    kernels_by_operator,
)
from gradion.extension.toolchain import CompilerNotFoundError

__all__ = [
    "AbstractBatching",
    "Array",
    "BuildCache",
    "BuildError",
    "CheckReport",
    "CheckRow",
    "CompilerNotFoundError",
    "Flags",
    "Kernel",
    "LeadingAxis",
    "Library",
    "MissingRuleError",
    "NativeTargets",
    "OneOf",
    "Operator",
    "SecondDerivative",
    "Sequential",
    "SymbolNotFoundError",
    "Target",
    "call_operator",
    "check_operator",
    "describe_call",
    "find_kernels",
    "find_operator",
    "kernels_by_operator",
    "load",
    "load_prebuilt",
    "open_cache",
]
