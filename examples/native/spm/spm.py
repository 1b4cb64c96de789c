"""A single particle model in C++ behind one call: the declaration, and a wrapper for cells."""

from dataclasses import asdict, dataclass
from pathlib import Path

import jax.numpy as jnp
from cell_groups import Cell, groups
from jax import Array as JaxArray
from jax.typing import ArrayLike
from spm_reference import reference
from spm_result import Discharge

from gradion.extension import Array, LeadingAxis, Operator, load

__all__ = ["Settings", "discharge", "spm"]

_library = load("spm", Path(__file__).with_name("spm.cc"))

spm = Operator(
    "spm",
    inputs=(Array("theta", jnp.float64, (41,)), Array("times", jnp.float64, ("n_times",))),
    outputs=(
        Array("voltage", jnp.float64, ("n_times",)),
        Array("t_end", jnp.float64),
        Array("status", jnp.int32),
        Array("steps", jnp.int32),
    ),
    attributes={
        "n_shells": int,
        "grading": float,
        "rtol": float,
        "atol": float,
        "step": float,
        "max_steps": int,
    },
    forward=_library.target("Spm"),
    jvp=_library.target("SpmJvp"),
    vjp=_library.target("SpmVjp"),
    reference=reference,
    batching=LeadingAxis(),
    many_directions=True,
)


@dataclass(frozen=True)
class Settings:
    """Mesh and accuracy; each value compiles a program of its own.

    - `n_shells`, `grading`: as in `gradion.numerics.mesh.RadialMesh`.
    - `rtol`, `atol`: of the stoichiometries, in each step.
    - `step` [s]: steps of this length without error control; 0 lets the error choose them.
    - `max_steps`: more steps than this are a failure.
    """

    n_shells: int = 24
    grading: float = 8.0
    rtol: float = 1e-6
    atol: float = 1e-8
    step: float = 0.0
    max_steps: int = 512


def discharge(
    cell: Cell, times: ArrayLike, *, settings: Settings | None = None, throw: bool = True
) -> Discharge:
    """Discharge a cell from rest until its cut-off voltage or the last of `times`.

    `times` [s] grow from 0 or later; their voltages after the end are that of the end. With
    `throw`, a failure raises `DischargeError`, except inside of a JAX transformation, where it is
    seen in the result only: a status, and NaN. Differentiable once, in both modes, by every leaf
    of `cell` and by `times`.
    """
    at: JaxArray = jnp.asarray(times, float)
    attributes = asdict(Settings() if settings is None else settings)
    out = Discharge(*spm(groups(cell).theta, at, **attributes))
    return out.check() if throw else out
