"""What a cycler measures, as predictions that a fit compares with data."""

from gradion.cell.observables.cell_temperature import CellTemperature
from gradion.cell.observables.discharge_points import DischargePoints
from gradion.cell.observables.discharge_voltage import DischargeVoltage

__all__ = ["CellTemperature", "DischargePoints", "DischargeVoltage"]
