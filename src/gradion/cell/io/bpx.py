"""BPX, the Battery Parameter eXchange format: read and write.

It needs the package bpx, which comes with ``pip install gradion[cell]``.
"""

from gradion.cell.io.bpx_reading import read_bpx
from gradion.cell.io.bpx_writing import write_bpx

__all__ = ["read_bpx", "write_bpx"]
