"""Local laws of a cell: one law, one file."""

from gradion.cell.physics.diffusion import particle_rate, salt_rate, surface_slope
from gradion.cell.physics.electrode import Electrode
from gradion.cell.physics.electrolyte import Electrolyte, Separator
from gradion.cell.physics.kinetics import AbstractKinetics, SymmetricButlerVolmer
from gradion.cell.physics.open_circuit import OpenCircuit
from gradion.cell.physics.property import (
    AbstractProperty,
    ConstantProperty,
    FormulaFunction,
    FunctionProperty,
)
from gradion.cell.physics.thermal import AbstractThermal, Isothermal, LumpedThermal

__all__ = [
    "AbstractKinetics",
    "AbstractProperty",
    "AbstractThermal",
    "ConstantProperty",
    "Electrode",
    "Electrolyte",
    "FormulaFunction",
    "FunctionProperty",
    "Isothermal",
    "LumpedThermal",
    "OpenCircuit",
    "Separator",
    "SymmetricButlerVolmer",
    "particle_rate",
    "salt_rate",
    "surface_slope",
]
