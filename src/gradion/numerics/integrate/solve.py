"""Solving an initial value problem."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float, Int

from gradion.numerics.integrate.dense_output import at_times
from gradion.numerics.integrate.sensitivity import Inputs, node_tangents
from gradion.numerics.integrate.settings import Settings
from gradion.numerics.integrate.status import IntegrationError, Status
from gradion.numerics.integrate.system import System
from gradion.numerics.integrate.trajectory import TO_END, Steps, Trajectory, integrate

__all__ = ["Solution", "solve"]


class Solution(NamedTuple):
    """States at the requested times, and where and how the integration ended.

    `u` is nan at requested times after `t_end`. `status` is a `Status` value as an integer array;
    `event` the index of the event that stopped the integration, or -1.
    """

    t: Float[Array, " times"]
    u: Float[Array, "times n"]
    t_end: Float[Array, ""]
    u_end: Float[Array, " n"]
    status: Int[Array, ""]
    event: Int[Array, ""]
    steps: Steps
    attempts: Int[Array, ""]
    iterations: Int[Array, ""]

    def check(self) -> "Solution":
        """Return self, or raise `IntegrationError` if the integration failed.

        Inside a JAX transformation nothing can be checked, and self is returned as it is.
        """
        if isinstance(self.status, jax.core.Tracer):
            return self
        status = Status(int(self.status))
        if not status.is_success:
            raise IntegrationError(status, float(self.t_end))
        return self


def solve(
    system: System,
    theta: Any,
    u0: Float[Array, " n"],
    *,
    t0: Float[Array, ""] | float = 0.0,
    t_end: Float[Array, ""] | float,
    times: Float[Array, " times"],
    settings: Settings | None = None,
    replay: Steps | None = None,
) -> Solution:
    """Integrate a stiff system and return its states at `times`.

    `theta` is a pytree (a Module, say) that the system's functions receive; `u0` [n] the initial
    values, of which the algebraic ones are only a first guess. `times` must lie in [t0, t_end];
    between the steps the solution is a cubic Hermite polynomial, with algebraic unknowns solved
    for. With `replay`, the step sequence of an earlier solution is repeated: its free steps keep
    their lengths, its events are located anew.

    Differentiable in both modes with respect to `theta`, `u0`, `t0`, `t_end` and `times`, in the
    results `u`, `t_end` and `u_end`, exactly for the discrete solution and to first order.
    Call `Solution.check()` to have a failure raised; without it, `status` tells.
    """
    settings = Settings() if settings is None else settings
    u0 = jnp.asarray(u0, float)
    t0, t_end, times = (jnp.asarray(x, float) for x in (t0, t_end, times))
    _check_shapes(system, settings, u0, times)
    trajectory = _trajectory((system, settings), theta, u0, t0, t_end, replay)
    nodes, record = trajectory.nodes, trajectory.record
    count = record.steps.taken
    last = record.steps.kind[jnp.maximum(count - 1, 0)]
    stopped = trajectory.status == Status.STOPPED_BY_EVENT
    return Solution(
        t=times,
        u=at_times(system, settings, theta, nodes, record, times),
        t_end=nodes.t[count],
        u_end=nodes.u[count],
        status=trajectory.status,
        event=jnp.where(stopped, last - TO_END - 1, -1),
        steps=record.steps,
        attempts=trajectory.attempts,
        iterations=trajectory.iterations,
    )


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _trajectory(
    static: tuple[System, Settings],
    theta: Any,
    u0: Float[Array, " n"],
    t0: Float[Array, ""],
    t_end: Float[Array, ""],
    replay: Steps | None,
) -> Trajectory:
    return integrate(*static, theta, u0, t0, t_end, replay)


def _trajectory_jvp(
    static: tuple[System, Settings], primals: tuple[Any, ...], tangents: tuple[Any, ...]
) -> tuple[Trajectory, Trajectory]:
    theta, *rest = primals
    d_theta, d_u0, d_t0, d_t_end, _ = tangents
    trajectory = _trajectory(static, *primals)
    d_leaves = jax.tree.leaves(d_theta, is_leaf=lambda x: isinstance(x, SymbolicZero))
    # Parameters that nothing is differentiated with respect to cost nothing.
    active = tuple(
        j for j, d in enumerate(d_leaves) if not isinstance(d, SymbolicZero) and _is_float(d)
    )
    inputs = Inputs(
        tuple(d_leaves[j] for j in active),
        *(
            jnp.zeros_like(x) if isinstance(d, SymbolicZero) else d
            for x, d in zip(rest[:3], (d_u0, d_t0, d_t_end), strict=True)
        ),
    )
    nodes = node_tangents(*static, theta, active, trajectory, inputs)
    zeros = jax.tree.map(_no_tangent, trajectory)
    return trajectory, zeros._replace(nodes=nodes)


_trajectory.defjvp(_trajectory_jvp, symbolic_zeros=True)


def _is_float(x: Array) -> bool:
    return jnp.issubdtype(x.dtype, jnp.floating)


def _no_tangent(x: Array) -> Any:
    """The steps and the record are constants of the discrete solution."""
    return jnp.zeros_like(x) if _is_float(x) else jnp.zeros(x.shape, jax.dtypes.float0)


def _check_shapes(system: System, settings: Settings, u0: Array, times: Array) -> None:
    if u0.ndim != 1 or times.ndim != 1:
        raise ValueError(
            f"expected u0 [n] and times [times], got shapes {u0.shape} and {times.shape}"
        )
    for name, value in (("algebraic", system.algebraic), ("atol", settings.atol)):
        if isinstance(value, tuple) and len(value) != u0.shape[0]:
            raise ValueError(
                f"{name} has {len(value)} entries for {u0.shape[0]} unknowns; give one for each"
            )
