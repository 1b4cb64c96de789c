"""Cell models: compositions of local laws."""

from gradion.cell.models.cell import Cell, build_cell
from gradion.cell.models.model import AbstractCellModel, Overpotentials
from gradion.cell.models.spm import SPM
from gradion.cell.models.spme import SPMe

__all__ = ["SPM", "AbstractCellModel", "Cell", "Overpotentials", "SPMe", "build_cell"]
