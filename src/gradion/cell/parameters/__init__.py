"""Parameter sets of cells: files with a unit and a source for every number."""

from gradion.cell.parameters.loader import (
    available_parameter_sets,
    load_parameters,
    parameters_from_mapping,
    parameters_to_mapping,
    save_parameters,
)
from gradion.cell.parameters.quantity import FunctionQuantity, Interpolation, Quantity, Table
from gradion.cell.parameters.schema import (
    CellParameters,
    CellSection,
    CollectorSection,
    ElectrodeSection,
    ElectrolyteSection,
    Reference,
    SeparatorSection,
)

__all__ = [
    "CellParameters",
    "CellSection",
    "CollectorSection",
    "ElectrodeSection",
    "ElectrolyteSection",
    "FunctionQuantity",
    "Interpolation",
    "Quantity",
    "Reference",
    "SeparatorSection",
    "Table",
    "available_parameter_sets",
    "load_parameters",
    "parameters_from_mapping",
    "parameters_to_mapping",
    "save_parameters",
]
