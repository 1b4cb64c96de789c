"""What a cell is put through, and what ends it."""

from gradion.cell.protocols.constant_current import ConstantCurrent
from gradion.cell.protocols.cutoff import AbstractCutoff, LowerVoltage, UpperTemperature

__all__ = ["AbstractCutoff", "ConstantCurrent", "LowerVoltage", "UpperTemperature"]
