"""An identity on values that runs Python code on the gradients passing through it backwards.

Two primitives: the gate itself, whose derivative rule binds a linear one on the tangents, and
that linear one, which is there to be transposed and refuses to be evaluated. So reverse mode
works under every transformation, and forward mode raises instead of passing by the code.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

__all__ = ["DEAD_TOKEN", "AbstractGateRule", "gate"]

# What to pass where no gate came before. A numpy scalar: importing makes no JAX array.
DEAD_TOKEN: Final = np.float32(0)

_gate_p = Primitive("gradion_reverse_gate")
_gate_p.multiple_results = True
_gate_lin_p = Primitive("gradion_reverse_gate_linear")
_gate_lin_p.multiple_results = True


class AbstractGateRule(ABC):
    """What a gate does with gradients; compared by identity, since compiled code holds it."""

    @abstractmethod
    def pull(
        self,
        cotangents: Sequence[jax.Array],
        *,
        live: tuple[bool, ...],
        flows: bool,
        token_live: bool,
        axes: tuple[bool, ...],
    ) -> Sequence[jax.Array]:
        """New cotangents for the gate's inputs, of the shapes and dtypes given.

        `live` has an entry for each array of the gate, `cotangents` one for each that is live:
        those that nothing differentiated depends on have none. `flows` is False where no
        gradient reaches any of them. `token_live` tells whether anything differentiated went
        through the gate that the token came from. The first `len(axes)` axes of each array are
        those of `jax.vmap`, outermost first; an entry is True where the token had that axis
        before this gate.
        """

    @abstractmethod
    def forward_mode_error(self) -> Exception:
        """The error to raise where the gate is differentiated in forward mode."""


def gate(
    arrays: Sequence[jax.Array], token: Any, rule: AbstractGateRule
) -> tuple[list[jax.Array], Any]:
    """The same arrays, and a token, with `rule` between them and their gradients.

    `arrays` have a floating or complex dtype. A token ties two gates together: given to a later
    gate it makes that one's rule run before this one's, and tells it by `token_live` whether a
    derivative is taken with respect to anything that went through this one. `token` is one of
    an earlier gate or DEAD_TOKEN. Under `jax.vmap` all arrays are given the mapped axis.
    Forward-mode derivatives raise `rule.forward_mode_error()` when they are evaluated or
    compiled. At run time of compiled code a gate is nothing.
    """
    *out, token = _gate_p.bind(*arrays, token, rule=rule, axes=())
    return out, token


def _pass(*args: Any, **_: Any) -> list[Any]:
    return list(args)


def _jvp(
    primals: Sequence[Any], tangents: Sequence[Any], *, rule: AbstractGateRule, axes: tuple
) -> tuple[list[Any], list[Any]]:
    out = _gate_p.bind(*primals, rule=rule, axes=axes)
    live = tuple(type(t) is not ad.Zero for t in tangents)
    if not any(live[:-1]):
        # The token alone: there is no gradient for the rule to see.
        return out, list(tangents)
    linear = _gate_lin_p.bind(
        *(t for t, alive in zip(tangents, live, strict=True) if alive),
        rule=rule,
        axes=axes,
        live=live,
    )
    *found, token_tangent = linear
    in_order = iter(found)
    new = [
        next(in_order) if alive else t for t, alive in zip(tangents[:-1], live[:-1], strict=True)
    ]
    return out, [*new, token_tangent]


def _linear_abstract(*avals: Any, axes: tuple[bool, ...], live: tuple[bool, ...], **_: Any) -> Any:
    arrays = avals[: sum(live[:-1])]
    # Every operand of a gate has all mapped axes, so any array tells the token's shape.
    token = jax.core.ShapedArray(arrays[0].shape[: len(axes)], DEAD_TOKEN.dtype)
    return [*arrays, token]


def _linear_jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[Any, Any]:
    second = [ad.instantiate_zeros(t) for t in tangents]
    return _gate_lin_p.bind(*primals, **params), _gate_lin_p.bind(*second, **params)


def _transpose(
    cotangents: Sequence[Any],
    *args: Any,
    rule: AbstractGateRule,
    axes: tuple[bool, ...],
    live: tuple[bool, ...],
) -> list[Any]:
    arrays = cotangents[:-1]
    flows = any(type(ct) is not ad.Zero for ct in arrays)
    new = rule.pull(
        [ad.instantiate_zeros(ct) for ct in arrays],
        live=live[:-1],
        flows=flows,
        token_live=live[-1],
        axes=axes,
    )
    out: list[Any] = list(new) if flows else [None] * len(arrays)
    if live[-1]:
        # A zero that is an array, not a symbol: the rule of the gate before is to run.
        aval = args[-1].aval
        out.append(jnp.zeros(aval.shape, aval.dtype) if flows else None)
    return out


def _refuse(*_args: Any, rule: AbstractGateRule, **_: Any) -> NoReturn:
    raise rule.forward_mode_error()


def _batcher(primitive: Primitive) -> Callable[..., Any]:
    def batch(
        args: Sequence[Any], dims: Sequence[Any], *, axes: tuple[bool, ...], **params: Any
    ) -> tuple[list[Any], list[int]]:
        size = next(a.shape[d] for a, d in zip(args, dims, strict=True) if d is not None)
        # All are given the axis: what runs on the gradients sees those of one example, and JAX
        # sums them over the examples where an argument was not mapped.
        front = [
            batching.bdim_at_front(jnp.asarray(a), d, size) for a, d in zip(args, dims, strict=True)
        ]
        # In the linear primitive a dead token is no operand.
        has_token = params["live"][-1] if "live" in params else True
        out = primitive.bind(*front, axes=(has_token and dims[-1] is not None, *axes), **params)
        return out, [0] * len(out)

    return batch


_gate_p.def_impl(_pass)
_gate_p.def_abstract_eval(_pass)
ad.primitive_jvps[_gate_p] = _jvp
batching.primitive_batchers[_gate_p] = _batcher(_gate_p)
mlir.register_lowering(_gate_p, lambda _, *args, **__: args)

_gate_lin_p.def_impl(_refuse)
_gate_lin_p.def_abstract_eval(_linear_abstract)
ad.primitive_jvps[_gate_lin_p] = _linear_jvp
ad.primitive_transposes[_gate_lin_p] = _transpose
batching.primitive_batchers[_gate_lin_p] = _batcher(_gate_lin_p)
mlir.register_lowering(_gate_lin_p, lambda _, *args, **params: _refuse(*args, **params))
