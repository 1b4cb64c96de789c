"""Lennard-Jones and screened Coulomb energy of atoms: one pass of C++, with every derivative.

    E = sum over pairs with r < cutoff of
        k q_i q_j erfc(alpha r) / r + 4 eps_ij ((sigma_ij / r)^12 - (sigma_ij / r)^6)

    sigma_ij = (sigma_i + sigma_j) / 2,  eps_ij = sqrt(eps_i eps_j)        (Lorentz, Berthelot)

Units: nm, kJ/mol, elementary charges. Plain truncation, neither shifted nor switched. The equations
and the layout stand in docs/theory/native-pairs.md.
"""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
import numpy as np
from reference import energy_and_forces

from gradion.extension import Array, LeadingAxis, Operator, SecondDerivative, load
from gradion.foundation.constants import CODATA2022

__all__ = ["COULOMB", "build_tiles", "count_tiles", "pairs"]

_FOLDER = Path(__file__).parent
_LIBRARY = load("pairs", [_FOLDER / "pairs.cc", _FOLDER / "tiles.cc"])

_C = CODATA2022
COULOMB = _C.N_A * _C.e**2 / (4 * np.pi * _C.epsilon_0) * 1e6
"""Coulomb's constant [kJ nm/(mol e^2)]; 1e6 is nm in m and kJ in J."""

_POSITIONS = Array("positions", jnp.float64, ("n", 3))
_FORCES = Array("forces", jnp.float64, ("n", 3))
_LIST = (Array("order", jnp.int32, ("clusters", 4)), Array("tiles", jnp.int32, ("m", 3)))

pairs = Operator(
    "pairs",
    inputs=(
        _POSITIONS,
        Array("charge", jnp.float64, ("n",)),
        Array("sigma", jnp.float64, ("n",)),
        Array("epsilon", jnp.float64, ("n",)),
        # A constant to derivatives: the pressure needs the virial, which is not summed here.
        Array("box", jnp.float64, (3,), differentiable=False),
        *_LIST,
    ),
    outputs=(Array("energy", jnp.float64), _FORCES),
    # The gradient of the energy, written by the same pass. Where nothing is differentiated the
    # pass leaves that of the parameters out.
    residuals=(
        _FORCES,
        Array("dcharge", jnp.float64, ("n",)),
        Array("dsigma", jnp.float64, ("n",)),
        Array("depsilon", jnp.float64, ("n",)),
    ),
    attributes={"cutoff": float, "alpha": float, "coulomb": float},
    forward=_LIBRARY.target("PairsForward"),
    saving=_LIBRARY.target("PairsSaving"),
    jvp=_LIBRARY.target("PairsJvp"),
    vjp=_LIBRARY.target("PairsVjp"),
    second=SecondDerivative(
        jvp=_LIBRARY.target("PairsSecondJvp"), vjp=_LIBRARY.target("PairsSecondVjp")
    ),
    reference=energy_and_forces,
    # Frames of a few atoms are what parameters are fitted to: threads share out frames as well.
    batching=LeadingAxis(),
)

_BUILDER_INPUTS = (
    Array("positions", jnp.float64, ("n", 3), differentiable=False),
    Array("box", jnp.float64, (3,), differentiable=False),
    Array("molecule", jnp.int32, ("n",)),
)

count_tiles = Operator(
    "count_tiles",
    inputs=_BUILDER_INPUTS,
    outputs=(Array("count", jnp.int32),),
    attributes={"radius": float},
    forward=_LIBRARY.target("CountTiles"),
)

build_tiles = Operator(
    "build_tiles",
    inputs=_BUILDER_INPUTS,
    outputs=_LIST,
    attributes={"radius": float, "room": int},
    sizes=lambda known: {"clusters": -(-known["n"] // 4), "m": known["room"]},
    forward=_LIBRARY.target("BuildTiles"),
)
