"""Irregular operations in native code, each beside its reference in JAX."""

from gradion.numerics.kernels.segment_sum import segment_sum

__all__ = ["segment_sum"]
