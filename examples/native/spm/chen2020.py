"""The LG M50 cell of Chen et al. (2020) at a discharge rate."""

import jax
import jax.numpy as jnp
import numpy as np
from cell_groups import Cell, Electrode, OpenCircuit

from gradion.cell.parameters import load_parameters
from gradion.cell.parameters.schema import ElectrodeSection

__all__ = ["chen2020"]

# Chen et al., J. Electrochem. Soc. 167 (2020) 080534, fits to measured half-cell potentials.
_GRAPHITE = OpenCircuit(
    offset=0.2482,
    linear=0.0,
    amplitude=np.array([1.9793, -0.0909, -0.04478, -0.0205]),
    steepness=np.array([39.3631, 29.8538, 14.9159, 30.4444]),
    centre=np.array([0.0, 0.1234, 0.2769, 0.6103]),
)
_NMC811 = OpenCircuit(
    offset=4.4875,
    linear=-0.8090,
    amplitude=np.array([0.0, -0.0428, -17.7326, 17.5842]),
    steepness=np.array([0.0, 18.5138, 15.7890, 15.9308]),
    centre=np.array([0.0, 0.5542, 0.3117, 0.3120]),
)


def chen2020(c_rate: float = 1.0) -> Cell:
    """The cell of gradion's parameter set `chen2020`, which has the source of every number."""
    parameters = load_parameters("chen2020")
    cell = parameters.cell
    numbers = Cell(
        negative=_electrode(parameters.negative, _GRAPHITE),
        positive=_electrode(parameters.positive, _NMC811),
        area=cell.electrode_area.value * cell.electrodes_in_parallel.value,
        current=c_rate * cell.nominal_capacity.value,
        contact_resistance=cell.contact_resistance.value,
        cutoff=cell.lower_voltage_cutoff.value,
        c_e=parameters.electrolyte.c_init.value,
        T=cell.initial_temperature.value,
        T_ref=cell.reference_temperature.value,
    )
    return jax.tree.map(lambda x: jnp.asarray(x, float), numbers)


def _electrode(section: ElectrodeSection, open_circuit: OpenCircuit) -> Electrode:
    return Electrode(
        thickness=section.thickness.value,
        particle_radius=section.particle_radius.value,
        active_fraction=section.active_fraction.value,
        c_max=section.c_max.value,
        initial_stoichiometry=section.c_init.value / section.c_max.value,
        D_s=section.D_s.value,
        D_s_exponent=0.0,  # a constant, tuned to a 1C discharge
        E_a_D_s=section.E_a_D_s.value,
        k=section.k.value,
        E_a_k=section.E_a_k.value,
        open_circuit=open_circuit,
    )
