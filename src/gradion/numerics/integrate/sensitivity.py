"""Derivatives of the discrete solution: one linear step, run forward or transposed.

The discrete solution is the map from (theta, u0, t0, t_end) to the nodes with the chosen step
lengths held constant; a step that ends at the end time or at an event has its length as a
function of the rest. Its derivative is a chain of linear steps. Forward mode runs the chain for
all tangents at once and they share each stage's factorised Jacobian; reverse mode runs the
transposed chain backwards. Both are exact for the discrete solution up to the residual that the
Newton iteration left.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from gradion.foundation.compat.linear_map import linear_map
from gradion.numerics.integrate.settings import Settings
from gradion.numerics.integrate.stage import StageProblem
from gradion.numerics.integrate.system import System
from gradion.numerics.integrate.trajectory import TO_END, Nodes, Trajectory

__all__ = ["Inputs", "node_tangents"]


class Inputs(NamedTuple):
    """Tangents of what a solve depends on; `theta` holds those of the active leaves only."""

    theta: tuple[Array, ...]
    u0: Float[Array, " n"]
    t0: Float[Array, ""]
    t_end: Float[Array, ""]


class _Carried(NamedTuple):
    """Tangents that one step hands to the next."""

    u: Float[Array, " n"]
    k: Float[Array, " n"]
    t: Float[Array, ""]


class _Constants(NamedTuple):
    """All the primal values that the chain is linearised about."""

    leaves: tuple[Array, ...]
    trajectory: Trajectory


def node_tangents(
    system: System,
    settings: Settings,
    theta: Any,
    active: tuple[int, ...],
    trajectory: Trajectory,
    inputs: Inputs,
) -> Nodes:
    """Tangents of the nodes; `active` are the positions of `inputs.theta` among theta's leaves."""
    leaves, tree = jax.tree.flatten(theta)
    chain = _Chain(system, settings, tree, active)
    constants = _Constants(tuple(leaves), trajectory)
    return linear_map(chain.forward, chain.transpose, constants, inputs)


class _Chain:
    """The chain of linear steps of one solve; holds static data only."""

    def __init__(
        self, system: System, settings: Settings, tree: Any, active: tuple[int, ...]
    ) -> None:
        self.system, self.settings, self.tree, self.active = system, settings, tree, active

    def forward(self, constants: _Constants, inputs: Inputs) -> Nodes:
        nodes = constants.trajectory.nodes
        count = constants.trajectory.record.steps.taken
        zero = jnp.zeros_like(inputs.u0)

        def body(state: tuple[Array, _Carried, Nodes]) -> tuple[Array, _Carried, Nodes]:
            i, carried, out = state
            left, right = self._step(constants, i, carried, inputs)
            out = Nodes(
                out.t.at[i].set(left.t),
                out.u.at[i].set(left.u),
                out.slope_left.at[i].set(left.k),
                out.slope_right.at[i].set(right.k),
            )
            return i + 1, right, out

        start = _Carried(inputs.u0, zero, inputs.t0)
        empty = jax.tree.map(jnp.zeros_like, nodes)
        _, last, out = lax.while_loop(
            lambda s: s[0] < count, body, (jnp.array(0, jnp.int32), start, empty)
        )
        return out._replace(t=out.t.at[count].set(last.t), u=out.u.at[count].set(last.u))

    def transpose(self, constants: _Constants, bars: Nodes) -> Inputs:
        count = constants.trajectory.record.steps.taken
        zeros = self._zero_inputs(constants)
        zero = _Carried(zeros.u0, zeros.u0, zeros.t0)

        def body(state: tuple[Array, _Carried, Inputs]) -> tuple[Array, _Carried, Inputs]:
            i, right, total = state
            right = right._replace(k=right.k + bars.slope_right[i])
            left = _Carried(bars.u[i], bars.slope_left[i], bars.t[i])
            pull = jax.linear_transpose(
                lambda carried, inputs: self._step(constants, i, carried, inputs), zero, zeros
            )
            carried, contribution = pull((left, right))
            return i - 1, carried, jax.tree.map(jnp.add, total, contribution)

        end = _Carried(bars.u[count], zeros.u0, bars.t[count])
        _, first, total = lax.while_loop(lambda s: s[0] >= 0, body, (count - 1, end, zeros))
        return total._replace(u0=total.u0 + first.u, t0=total.t0 + first.t)

    def _zero_inputs(self, constants: _Constants) -> Inputs:
        theta = tuple(jnp.zeros_like(constants.leaves[j]) for j in self.active)
        n = constants.trajectory.nodes.u.shape[1]
        return Inputs(theta, jnp.zeros(n), jnp.array(0.0), jnp.array(0.0))

    def _theta(self, leaves: tuple[Array, ...], tangents: tuple[Array, ...]) -> Any:
        """theta as a function of the active leaves' values."""
        values = list(leaves)
        for position, value in zip(self.active, tangents, strict=True):
            values[position] = value
        return self.tree.unflatten(values)

    def _step(
        self, constants: _Constants, i: Int[Array, ""], carried: _Carried, inputs: Inputs
    ) -> tuple[_Carried, _Carried]:
        """Linear step i: tangents at its left end (after a restart) and at its right end."""
        linear = _LinearStep(self, constants, i)
        restart = constants.trajectory.record.restart[i]
        left = lax.cond(restart, lambda x: linear.restart(x, inputs), lambda x: x, carried)
        kind = constants.trajectory.record.steps.kind[i]
        dh = jnp.where(kind == TO_END, inputs.t_end - left.t, 0.0)
        if self.system.events:
            dh = lax.cond(
                kind > TO_END, lambda: linear.event_length(left, inputs, kind), lambda: dh
            )
        return left, linear.propagate(left, dh, inputs.theta)


class _LinearStep:
    """The derivative of step i of a solve, about its recorded stages."""

    def __init__(self, chain: _Chain, constants: _Constants, i: Int[Array, ""]) -> None:
        trajectory = constants.trajectory
        nodes, record = trajectory.nodes, trajectory.record
        self.chain, self.system, self.tableau = chain, chain.system, chain.settings.tableau
        self.leaves = constants.leaves
        self.theta = chain.tree.unflatten(constants.leaves)
        self.t, self.u, self.k = nodes.t[i], nodes.u[i], nodes.slope_left[i]
        self.t_right, self.u_right = nodes.t[i + 1], nodes.u[i + 1]
        self.h, self.phase, self.w = record.steps.h[i], record.phase[i], record.stages[i]
        self.mask = self.system.differential_mask(self.u.shape[0])

    def _solve(
        self, stage: StageProblem, w: Array, dt: Array, dbase: Array, dtheta: tuple[Array, ...]
    ) -> Array:
        """Tangent of a stage's unknown: its equations, linearised once in all that they hold."""
        active = tuple(self.leaves[j] for j in self.chain.active)

        def residual(w: Array, t: Array, base: Array, values: tuple[Array, ...]) -> Array:
            theta = self.chain._theta(self.leaves, values)
            return stage._replace(base=base, t=t, theta=theta).residual(self.system, w)

        _, linear = jax.linearize(residual, w, stage.t, stage.base, active)
        still = (jnp.zeros_like(stage.t), jnp.zeros_like(w), jax.tree.map(jnp.zeros_like, active))
        structure = self.system.structure
        factors = structure.factorise(structure.matrix(lambda dw: linear(dw, *still), w))
        source = linear(jnp.zeros_like(w), dt, dbase, dtheta)
        return -structure.solve(factors, source)

    def restart(self, carried: _Carried, inputs: Inputs) -> _Carried:
        """Derivative of the consistent start of a phase."""
        stage = StageProblem(self.u, jnp.array(0.0), self.t, self.theta, self.phase)
        w = jnp.where(self.mask, self.k, self.u)
        du = jnp.where(self.mask, carried.u, 0.0)
        if self.system.is_explicit:
            dw = self._explicit_slope(carried.t, du, inputs.theta)
        else:
            dw = self._solve(stage, w, carried.t, du, inputs.theta)
        return _Carried(
            jnp.where(self.mask, carried.u, dw), jnp.where(self.mask, dw, 0.0), carried.t
        )

    def _explicit_slope(self, dt: Array, du: Array, dtheta: tuple[Array, ...]) -> Array:
        active = tuple(self.leaves[j] for j in self.chain.active)

        def slope(t: Array, u: Array, values: tuple[Array, ...]) -> Array:
            return self.system.rhs(t, u, self.chain._theta(self.leaves, values), self.phase)

        return jax.jvp(slope, (self.t, self.u, active), (dt, du, dtheta))[1]

    def propagate(
        self, left: _Carried, dh: Float[Array, ""], dtheta: tuple[Array, ...]
    ) -> _Carried:
        """Tangents at the right end, given those at the left and of the step's length."""
        a, c = jnp.array(self.tableau.matrix), jnp.array(self.tableau.nodes)
        s, n = self.tableau.stages, self.u.shape[0]
        h_gamma = self.h * self.tableau.gamma
        slopes = jnp.concatenate([self.k[None], jnp.where(self.mask, self.w, 0.0)])

        def stage(carry: Array, i: Array) -> tuple[Array, Array]:
            base = self.u + self.h * (a[i] @ slopes) - h_gamma * slopes[i]
            problem = StageProblem(base, h_gamma, self.t + c[i] * self.h, self.theta, self.phase)
            explicit = left.u + dh * (a[i] @ slopes) + self.h * (a[i] @ carry)
            explicit = jnp.where(self.mask, explicit, 0.0)
            dw = self._solve(problem, self.w[i - 1], left.t + c[i] * dh, explicit, dtheta)
            du = jnp.where(self.mask, explicit + h_gamma * dw, dw)
            return carry.at[i].set(jnp.where(self.mask, dw, 0.0)), du

        start = jnp.zeros((s, n)).at[0].set(left.k)
        tangents, values = lax.scan(stage, start, jnp.arange(1, s))
        return _Carried(values[-1], tangents[-1], left.t + dh)

    def event_length(
        self, left: _Carried, inputs: Inputs, kind: Int[Array, ""]
    ) -> Float[Array, ""]:
        """Tangent of the length of a step that ends at an event: the event function stays zero."""
        still = jax.tree.map(jnp.zeros_like, (left, inputs.theta))
        fixed = self.propagate(left, jnp.array(0.0), inputs.theta)
        stretched = self.propagate(still[0], jnp.array(1.0), still[1])
        active = tuple(self.leaves[j] for j in self.chain.active)

        def value(t: Array, u: Array, values: tuple[Array, ...]) -> Array:
            theta = self.chain._theta(self.leaves, values)
            return self.system.event_values(t, u, theta)[kind - TO_END - 1]

        at = (self.t_right, self.u_right, active)
        change = jax.jvp(value, at, (fixed.t, fixed.u, inputs.theta))[1]
        rate = jax.jvp(value, at, (stretched.t, stretched.u, still[1]))[1]
        return -change / rate
