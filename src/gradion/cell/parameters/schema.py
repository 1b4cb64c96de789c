"""The schema of a parameter file, and the tree that models read.

A file is one JSON object::

    {
      "name": "chen2020",
      "title": "LG M50 21700 cell ...",
      "references": [{"key": "Chen2020", "citation": "...", "doi": "10.1149/..."}],
      "cell": {"nominal_capacity": {"value": 5.0, "unit": "A*h", "source": "Chen2020"}, ...},
      "negative": {
        "D_s": {"value": 3.3e-14, "unit": "m^2/s", "source": "Chen2020"},
        "ocp": {"formula": "1.9793 * exp(-39.3631 * x) + ...", "unit": "V", "source": "..."},
        ...
      },
      "separator": {...}, "positive": {...}, "electrolyte": {...},
      "negative_collector": {...}, "positive_collector": {...}
    }

An entry has exactly one of ``value``, ``formula`` and ``table``, then ``unit`` (any compatible
one; it is converted to SI when read, a charge to A*h), ``source``, for a value optionally
``bounds``, for a table optionally ``interpolation`` (``monotone``, the default, or ``cubic``). A
table is ``{"x": [...], "y": [...]}``; the unit is that of y, and x is the first variable in SI.

Conventions:

- Variables of functions: ``x`` stoichiometry [1], ``c_e`` [mol/m^3], ``T`` [K].
- Temperature, where an activation energy stands beside a value:
  ``value(T) = value * exp(E_a / R * (1 / T_ref - 1 / T))`` with the cell's reference temperature.
- Exchange current density: ``j0 = F * k * sqrt(c_e * c_s * (c_max - c_s))`` [A/m^2], with c_s at
  the particle surface, so k has the unit m^2.5 / (mol^0.5 * s).
- Open-circuit potential: ``U(x, T) = ocp(x) + (T - T_ref) * entropic_change(x)``.
- Effective transport in the electrolyte: value times ``porosity ** bruggeman_electrolyte``;
  electronic: conductivity times ``(1 - porosity) ** bruggeman_electrode`` (an exponent of 0 says
  that the conductivity is the effective one).
- ``electrode_area`` is the coated area of one pair of electrodes; the cell's is that times
  ``electrodes_in_parallel``.
- ``thermodynamic_factor`` is ``1 + d ln f / d ln c_e``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gradion.cell.parameters.quantity import FunctionQuantity, Quantity
from gradion.cell.parameters.slot import Slot
from gradion.cell.parameters.validation import input_error
from gradion.foundation.errors import InputError, unknown_name

__all__ = [
    "CellParameters",
    "CellSection",
    "CollectorSection",
    "ElectrodeSection",
    "ElectrolyteSection",
    "Reference",
    "SeparatorSection",
]

_FUNCTION_OF_X = ("x",)
_FUNCTION_OF_C_AND_T = ("c_e", "T")

# The unit and the default bounds of each kind of quantity: the one table of them. Bounds are wide:
# they say what is possible in a lithium-ion cell, not what is likely.
_LENGTH = Slot("m", (1e-7, 1e-2))
_RADIUS = Slot("m", (1e-9, 1e-3))
_FRACTION = Slot("1", (0.0, 1.0))
_BRUGGEMAN = Slot("1", (0.0, 10.0))
_STOICHIOMETRY = Slot("1", (0.0, 1.0))
_CONDUCTIVITY = Slot("S/m", (1e-8, 1e8))
_CONCENTRATION = Slot("mol/m^3", (0.0, 1.5e5))
_PARTICLE_DIFFUSIVITY = Slot("m^2/s", (1e-20, 1e-9), _FUNCTION_OF_X)
_RATE_CONSTANT = Slot("m^2.5/(mol^0.5*s)", (1e-17, 1e-6))
_ACTIVATION_ENERGY = Slot("J/mol", (-1e5, 3e5))
_TRANSFER_COEFFICIENT = Slot("1", (0.0, 1.0))
_OCP = Slot("V", (-1.0, 6.0), _FUNCTION_OF_X)
_ENTROPIC = Slot("V/K", (-0.01, 0.01), _FUNCTION_OF_X)
_SALT_DIFFUSIVITY = Slot("m^2/s", (1e-14, 1e-7), _FUNCTION_OF_C_AND_T)
_SALT_CONDUCTIVITY = Slot("S/m", (1e-6, 1e2), _FUNCTION_OF_C_AND_T)
_THERMODYNAMIC_FACTOR = Slot("1", (-10.0, 50.0), _FUNCTION_OF_C_AND_T)
_TRANSFERENCE = Slot("1", (-1.0, 1.0))
_DENSITY = Slot("kg/m^3", (1.0, 3e4))
_HEAT_CAPACITY = Slot("J/(kg*K)", (1.0, 1e4))
_THERMAL_CONDUCTIVITY = Slot("W/(m*K)", (1e-4, 5e3))
_AREA = Slot("m^2", (1e-8, 1e3))
_VOLUME = Slot("m^3", (1e-12, 1.0))
_COUNT = Slot("1", (1.0, 1e4))
_CHARGE = Slot("A*h", (1e-9, 1e5))
_VOLTAGE = Slot("V", (-1.0, 6.0))
_TEMPERATURE = Slot("K", (150.0, 500.0))
_RESISTANCE = Slot("ohm", (0.0, 1e4))
_HEAT_TRANSFER = Slot("W/(m^2*K)", (0.0, 1e5))


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reference(_Frozen):
    """A publication that sources in the file name by its key."""

    key: str
    citation: str
    doi: str | None = None


class CellSection(_Frozen):
    """The cell as a whole; thermal quantities are for a lumped thermal model."""

    electrode_area: Annotated[Quantity, _AREA]
    electrodes_in_parallel: Annotated[Quantity, _COUNT]
    nominal_capacity: Annotated[Quantity, _CHARGE]
    lower_voltage_cutoff: Annotated[Quantity, _VOLTAGE]
    upper_voltage_cutoff: Annotated[Quantity, _VOLTAGE]
    reference_temperature: Annotated[Quantity, _TEMPERATURE]
    ambient_temperature: Annotated[Quantity, _TEMPERATURE]
    initial_temperature: Annotated[Quantity, _TEMPERATURE]
    contact_resistance: Annotated[Quantity, _RESISTANCE]
    volume: Annotated[Quantity | None, _VOLUME] = None
    cooling_area: Annotated[Quantity | None, _AREA] = None
    heat_transfer_coefficient: Annotated[Quantity | None, _HEAT_TRANSFER] = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        low, high = self.lower_voltage_cutoff.value, self.upper_voltage_cutoff.value
        if not low < high:
            raise InputError(f"voltage cut-offs: got {low:g} V and {high:g} V, lower one first")
        if not self.electrodes_in_parallel.value.is_integer():
            raise InputError(
                f"electrodes_in_parallel: got {self.electrodes_in_parallel.value!r}",
                mend="expected a whole number",
            )
        return self


class SeparatorSection(_Frozen):
    """The separator."""

    thickness: Annotated[Quantity, _LENGTH]
    porosity: Annotated[Quantity, _FRACTION]
    bruggeman_electrolyte: Annotated[Quantity, _BRUGGEMAN]
    density: Annotated[Quantity | None, _DENSITY] = None
    heat_capacity: Annotated[Quantity | None, _HEAT_CAPACITY] = None
    thermal_conductivity: Annotated[Quantity | None, _THERMAL_CONDUCTIVITY] = None


class ElectrodeSection(_Frozen):
    """A porous electrode with one active material of spherical particles.

    ``x_soc0`` and ``x_soc100`` are the stoichiometries at 0 % and 100 % state of charge, where the
    set gives them; ``c_init`` is what a run starts from.
    """

    thickness: Annotated[Quantity, _LENGTH]
    particle_radius: Annotated[Quantity, _RADIUS]
    active_fraction: Annotated[Quantity, _FRACTION]
    porosity: Annotated[Quantity, _FRACTION]
    bruggeman_electrolyte: Annotated[Quantity, _BRUGGEMAN]
    bruggeman_electrode: Annotated[Quantity, _BRUGGEMAN]
    conductivity: Annotated[Quantity, _CONDUCTIVITY]
    c_max: Annotated[Quantity, _CONCENTRATION]
    c_init: Annotated[Quantity, _CONCENTRATION]
    D_s: Annotated[Quantity | FunctionQuantity, _PARTICLE_DIFFUSIVITY]
    E_a_D_s: Annotated[Quantity, _ACTIVATION_ENERGY]
    k: Annotated[Quantity, _RATE_CONSTANT]
    E_a_k: Annotated[Quantity, _ACTIVATION_ENERGY]
    alpha: Annotated[Quantity, _TRANSFER_COEFFICIENT]
    ocp: Annotated[Quantity | FunctionQuantity, _OCP]
    entropic_change: Annotated[Quantity | FunctionQuantity, _ENTROPIC]
    x_soc0: Annotated[Quantity | None, _STOICHIOMETRY] = None
    x_soc100: Annotated[Quantity | None, _STOICHIOMETRY] = None
    density: Annotated[Quantity | None, _DENSITY] = None
    heat_capacity: Annotated[Quantity | None, _HEAT_CAPACITY] = None
    thermal_conductivity: Annotated[Quantity | None, _THERMAL_CONDUCTIVITY] = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        # Round-off of a volume fraction computed from a surface area must not matter.
        if self.porosity.value + self.active_fraction.value > 1.0 + 1e-9:
            raise InputError(
                f"porosity + active_fraction: got {self.porosity.value:g} + "
                f"{self.active_fraction.value:g}",
                mend="expected at most 1",
            )
        if self.c_init.value > self.c_max.value:
            raise InputError(
                f"c_init: got {self.c_init.value:g} mol/m^3",
                mend=f"expected at most c_max, {self.c_max.value:g} mol/m^3",
            )
        return self


class ElectrolyteSection(_Frozen):
    """The electrolyte, a binary salt."""

    c_init: Annotated[Quantity, _CONCENTRATION]
    D_e: Annotated[Quantity | FunctionQuantity, _SALT_DIFFUSIVITY]
    E_a_D_e: Annotated[Quantity, _ACTIVATION_ENERGY]
    kappa: Annotated[Quantity | FunctionQuantity, _SALT_CONDUCTIVITY]
    E_a_kappa: Annotated[Quantity, _ACTIVATION_ENERGY]
    t_plus: Annotated[Quantity, _TRANSFERENCE]
    thermodynamic_factor: Annotated[Quantity | FunctionQuantity, _THERMODYNAMIC_FACTOR]


class CollectorSection(_Frozen):
    """A current collector foil."""

    thickness: Annotated[Quantity, _LENGTH]
    conductivity: Annotated[Quantity, _CONDUCTIVITY]
    density: Annotated[Quantity | None, _DENSITY] = None
    heat_capacity: Annotated[Quantity | None, _HEAT_CAPACITY] = None
    thermal_conductivity: Annotated[Quantity | None, _THERMAL_CONDUCTIVITY] = None


_Section = CellSection | ElectrodeSection | SeparatorSection | ElectrolyteSection | CollectorSection


_LAYERS = ("negative_collector", "negative", "separator", "positive", "positive_collector")


class CellParameters(_Frozen):
    """All quantities of one cell, in SI, each with its source.

    Made by `load_parameters` or `read_bpx`; frozen and equal by value.
    """

    name: str = Field(min_length=1)
    title: str
    references: tuple[Reference, ...] = ()
    cell: CellSection
    negative: ElectrodeSection
    separator: SeparatorSection
    positive: ElectrodeSection
    electrolyte: ElectrolyteSection
    negative_collector: CollectorSection | None = None
    positive_collector: CollectorSection | None = None

    def quantities(self) -> dict[str, Quantity | FunctionQuantity]:
        """Return every quantity that is present, by its path such as ``negative.D_s``."""
        return dict(self._walk())

    def with_quantities(
        self, changes: Mapping[str, float | Quantity | FunctionQuantity], *, source: str
    ) -> Self:
        """Return a copy with other quantities.

        A float is a number in SI and gets ``source``; its bounds are the default ones of the key.
        A quantity is taken as it is. Raises InputError for a path that does not exist, or a value
        that its key does not take.
        """
        known = self._paths()
        by_section: dict[str, dict[str, object]] = {}
        for path, change in changes.items():
            if path not in known:
                raise unknown_name("quantity", path, known)
            section, key = path.split(".")
            by_section.setdefault(section, {})[key] = self._changed(path, change, source)
        edited = {name: self._edited(name, keys) for name, keys in by_section.items()}
        return self.model_copy(update=edited)

    def volumetric_heat_capacity(self) -> float:
        """Return the heat capacity of the layers per volume [J/(m^3*K)], averaged by thickness.

        A collector that is absent counts with no thickness. Raises InputError, naming it, if a
        layer lacks its density or heat capacity.
        """
        stored, _, thickness = self._layer_sums()
        return stored / thickness

    def average_density(self) -> float:
        """Return the density of the layers [kg/m^3], averaged by thickness.

        Raises InputError as `volumetric_heat_capacity` does.
        """
        _, mass, thickness = self._layer_sums()
        return mass / thickness

    def _layer_sums(self) -> tuple[float, float, float]:
        """Return heat capacity, mass and thickness of the layers, all per area."""
        stored = mass = thickness = 0.0
        for name in _LAYERS:
            layer = getattr(self, name)
            if layer is None:
                continue
            for key in ("density", "heat_capacity"):
                if getattr(layer, key) is None:
                    raise InputError(f"{name}.{key} is absent", where=self.name)
            thickness += layer.thickness.value
            mass += layer.thickness.value * layer.density.value
            stored += layer.thickness.value * layer.density.value * layer.heat_capacity.value
        return stored, mass, thickness

    def _walk(self) -> Iterator[tuple[str, Quantity | FunctionQuantity]]:
        for name in type(self).model_fields:
            section = getattr(self, name)
            if not isinstance(section, _Section):
                continue
            for key in type(section).model_fields:
                quantity = getattr(section, key)
                if quantity is not None:
                    yield f"{name}.{key}", quantity

    def _paths(self) -> list[str]:
        sections = [n for n in type(self).model_fields if isinstance(getattr(self, n), _Section)]
        return [f"{n}.{key}" for n in sections for key in type(getattr(self, n)).model_fields]

    def _changed(
        self, path: str, change: float | Quantity | FunctionQuantity, source: str
    ) -> object:
        if isinstance(change, Quantity | FunctionQuantity):
            return change
        section, key = path.split(".")
        slot = next(
            item
            for item in type(getattr(self, section)).model_fields[key].metadata
            if isinstance(item, Slot)
        )
        try:
            return slot.number(float(change), source)
        except InputError as error:
            raise InputError(error.what, where=path, mend=error.mend) from None

    def _edited(self, name: str, changed: Mapping[str, object]) -> _Section:
        section: _Section = getattr(self, name)
        present = {key: value for key, value in dict(section).items() if value is not None}
        try:
            return type(section).model_validate({**present, **changed})
        except ValidationError as error:
            raise input_error(error, type(section), where=self.name, path=(name,)) from None
