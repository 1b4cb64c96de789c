"""A cell as its parts, built from a parameter set."""

from typing import final

from gradion.cell.parameters import CellParameters, FunctionQuantity, Quantity
from gradion.cell.parameters.schema import ElectrodeSection
from gradion.cell.physics import (
    AbstractProperty,
    AbstractThermal,
    ConstantProperty,
    Electrode,
    Electrolyte,
    FormulaFunction,
    FunctionProperty,
    Isothermal,
    LumpedThermal,
    OpenCircuit,
    Separator,
    SymmetricButlerVolmer,
)
from gradion.foundation.errors import InputError
from gradion.foundation.formula import Formula
from gradion.module import Module, Parameter

__all__ = ["Cell", "build_cell"]


@final
class Cell(Module):
    """The parts of a cell and its ratings; every model is made of one.

    `area` [m^2] is the coated electrode area of all layers in parallel; `nominal_capacity` [A h]
    defines 1C; the voltage limits [V] are where a discharge or charge ends by default.
    """

    def __init__(
        self,
        *,
        negative: Electrode,
        separator: Separator,
        positive: Electrode,
        electrolyte: Electrolyte,
        thermal: AbstractThermal,
        area: Parameter,
        contact_resistance: Parameter,
        nominal_capacity: Parameter,
        lower_voltage: Parameter,
        upper_voltage: Parameter,
    ) -> None:
        super().__init__()
        self.negative = negative
        self.separator = separator
        self.positive = positive
        self.electrolyte = electrolyte
        self.thermal = thermal
        self.area = area
        self.contact_resistance = contact_resistance
        self.nominal_capacity = nominal_capacity
        self.lower_voltage = lower_voltage
        self.upper_voltage = upper_voltage


def build_cell(parameters: CellParameters, *, isothermal: bool = False) -> Cell:
    """The cell of a parameter set, with a lumped temperature or, if `isothermal`, a fixed one.

    Raises `InputError` for a set that lacks what the lumped temperature needs, or whose charge
    transfer is not symmetric.
    """
    cell = parameters.cell
    # One Parameter object in many places: it stays one through every transformation.
    T_ref = _parameter(cell.reference_temperature)
    area = cell.electrode_area
    layers = cell.electrodes_in_parallel.value
    electrolyte = parameters.electrolyte
    separator = parameters.separator
    return Cell(
        negative=_electrode(parameters.name, "negative", parameters.negative, T_ref),
        separator=Separator(
            thickness=_parameter(separator.thickness),
            porosity=_parameter(separator.porosity),
            bruggeman=_parameter(separator.bruggeman_electrolyte),
        ),
        positive=_electrode(parameters.name, "positive", parameters.positive, T_ref),
        electrolyte=Electrolyte(
            c_e0=_parameter(electrolyte.c_init),
            D_e=_property(electrolyte.D_e, electrolyte.E_a_D_e, T_ref),
            kappa=_property(electrolyte.kappa, electrolyte.E_a_kappa, T_ref),
            t_plus=_parameter(electrolyte.t_plus),
            thermodynamic_factor=_property(electrolyte.thermodynamic_factor, None, T_ref),
        ),
        thermal=_isothermal(parameters) if isothermal else _lumped(parameters),
        area=Parameter(
            area.value * layers,
            unit=area.unit,
            bounds=None if area.bounds is None else _scaled(area.bounds, layers),
            source=area.source,
        ),
        contact_resistance=_parameter(cell.contact_resistance),
        nominal_capacity=_parameter(cell.nominal_capacity),
        lower_voltage=_parameter(cell.lower_voltage_cutoff),
        upper_voltage=_parameter(cell.upper_voltage_cutoff),
    )


def _scaled(bounds: tuple[float, float], factor: float) -> tuple[float, float]:
    return bounds[0] * factor, bounds[1] * factor


def _parameter(quantity: Quantity) -> Parameter:
    return Parameter(
        quantity.value, unit=quantity.unit, bounds=quantity.bounds, source=quantity.source
    )


def _activation_energy(quantity: Quantity | None) -> Parameter:
    if quantity is None:
        return Parameter(0.0, unit="J/mol", source="no temperature dependence given")
    return _parameter(quantity)


def _property(
    quantity: Quantity | FunctionQuantity, activation: Quantity | None, T_ref: Parameter
) -> AbstractProperty:
    if isinstance(quantity, Quantity):
        return ConstantProperty(
            _parameter(quantity), activation_energy=_activation_energy(activation), T_ref=T_ref
        )
    return FunctionProperty(
        _function(quantity),
        activation_energy=_activation_energy(activation),
        T_ref=T_ref,
        scale=Parameter(1.0, unit="1", bounds=(1e-3, 1e3), source=quantity.source),
        takes_temperature="T" in quantity.variables,
    )


def _function(quantity: Quantity | FunctionQuantity) -> Module:
    """A function of the quantity's variables; a number is the constant function."""
    if isinstance(quantity, Quantity):
        return FormulaFunction(Formula(repr(quantity.value)))
    function = quantity.as_callable()
    return function if isinstance(function, Module) else FormulaFunction(function)


def _electrode(set_name: str, side: str, section: ElectrodeSection, T_ref: Parameter) -> Electrode:
    if section.alpha.value != 0.5:
        raise InputError(
            f"got a transfer coefficient of {section.alpha.value:g}",
            where=f"{set_name}: {side}.alpha",
            mend="expected 0.5: only symmetric charge transfer is modelled",
        )
    c_init, c_max = section.c_init, section.c_max
    return Electrode(
        thickness=_parameter(section.thickness),
        particle_radius=_parameter(section.particle_radius),
        active_fraction=_parameter(section.active_fraction),
        porosity=_parameter(section.porosity),
        bruggeman=_parameter(section.bruggeman_electrolyte),
        conductivity=_parameter(section.conductivity),
        bruggeman_electrode=_parameter(section.bruggeman_electrode),
        c_max=_parameter(c_max),
        initial_stoichiometry=Parameter(
            c_init.value / c_max.value, unit="1", bounds=(0.0, 1.0), source=c_init.source
        ),
        D_s=_property(section.D_s, section.E_a_D_s, T_ref),
        kinetics=SymmetricButlerVolmer(
            _parameter(section.k), activation_energy=_parameter(section.E_a_k), T_ref=T_ref
        ),
        open_circuit=OpenCircuit(
            _function(section.ocp),
            entropic_change=_function(section.entropic_change),
            T_ref=T_ref,
        ),
    )


def _isothermal(parameters: CellParameters) -> Isothermal:
    return Isothermal(_parameter(parameters.cell.ambient_temperature))


def _lumped(parameters: CellParameters) -> LumpedThermal:
    cell = parameters.cell
    volume = _present(parameters.name, "volume", cell.volume)
    return LumpedThermal(
        T_ambient=_parameter(cell.ambient_temperature),
        T_initial=_parameter(cell.initial_temperature),
        heat_capacity=Parameter(
            parameters.volumetric_heat_capacity() * volume.value,
            unit="J/K",
            bounds=(1e-3, 1e7),
            source=f"densities and heat capacities of the layers; {volume.source}",
        ),
        h=_parameter(
            _present(parameters.name, "heat_transfer_coefficient", cell.heat_transfer_coefficient)
        ),
        cooling_area=_parameter(_present(parameters.name, "cooling_area", cell.cooling_area)),
    )


def _present(set_name: str, key: str, quantity: Quantity | None) -> Quantity:
    if quantity is None:
        raise InputError(
            f"cell.{key} is absent, and a lumped temperature needs it",
            where=set_name,
            mend="give it, or build the cell isothermal",
        )
    return quantity
