"""Operations that matter to derivatives or to the order of a run, not to values.

A function with a derivative rule of its own has its value and the rule as subgraphs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gradion.foundation.compat.jaxpr import MissingRuleOrderError
from gradion.graph.graph import Graph, Operation
from gradion.graph.operators.kind import Attributes, OperationKind, run

__all__ = ["CUSTOM"]


def _attributes(params: Mapping[str, Any]) -> Attributes:
    return {"function": str(params.get("name", ""))}


def _floating(arrays: Sequence[Any]) -> list[int]:
    return [i for i, x in enumerate(arrays) if jnp.issubdtype(x.dtype, jnp.floating)]


def _none(shape: tuple[int, ...]) -> np.ndarray:
    return np.zeros(shape, jax.dtypes.float0)


def _value(operation: Operation) -> Callable[..., tuple[jax.Array, ...]]:
    return lambda *inputs: tuple(run(operation.subgraphs[0], inputs))


def _rule(operation: Operation) -> Graph:
    if len(operation.subgraphs) < 2:
        where = f" ({operation.source})" if operation.source is not None else ""
        raise MissingRuleOrderError(
            f"{operation.name}{where}: a derivative of higher order than was captured with this "
            "function's own rule; differentiate the function, not its graph"
        )
    return operation.subgraphs[1]


def _custom_jvp(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    function = jax.custom_jvp(_value(operation))
    n_results = len(operation.outputs)

    def rule(primals: Any, tangents: Any) -> Any:
        given = [tangents[i] for i in _floating(primals)]
        found = run(_rule(operation), [*primals, *given])
        out, tangents_out = found[:n_results], iter(found[n_results:])
        places = _floating(out)
        return tuple(out), tuple(
            next(tangents_out) if i in places else _none(y.shape) for i, y in enumerate(out)
        )

    function.defjvp(rule)
    return list(function(*map(jnp.asarray, inputs)))


def _custom_vjp(operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    function = jax.custom_vjp(_value(operation))

    def forward(*primals: Any) -> Any:
        return tuple(run(operation.subgraphs[0], primals)), primals

    def backward(primals: Any, cotangents: Any) -> Any:
        given = [w for w in cotangents if jnp.issubdtype(w.dtype, jnp.floating)]
        found = iter(run(_rule(operation), [*primals, *given]))
        places = _floating(primals)
        return tuple(next(found) if i in places else _none(x.shape) for i, x in enumerate(primals))

    function.defvjp(forward, backward)
    return list(function(*map(jnp.asarray, inputs)))


def _identity(_operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    return [inputs[0]]


def _stop_gradient(_operation: Operation, inputs: Sequence[Any]) -> Sequence[jax.Array]:
    return [lax.stop_gradient(inputs[0])]


CUSTOM: Final[tuple[OperationKind, ...]] = (
    OperationKind(
        "custom_jvp", ("custom_jvp_call",), _custom_jvp, _attributes, ("call_jaxpr", "rule")
    ),
    OperationKind(
        "custom_vjp", ("custom_vjp_call",), _custom_vjp, _attributes, ("call_jaxpr", "rule")
    ),
    # No primitive of JAX: what is added by hand where something is to be waited for.
    OperationKind("identity", (), _identity),
    OperationKind("stop_gradient", ("stop_gradient",), _stop_gradient),
)
