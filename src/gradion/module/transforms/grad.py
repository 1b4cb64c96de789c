"""Derivatives of functions of Modules: reverse mode with respect to Parameters, forward mode."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from gradion.foundation.errors import InputError, unknown_name
from gradion.module.module import Module
from gradion.module.transforms.lifting import Call, trainable_slots

__all__ = ["backward", "grad", "jvp", "value_and_grad"]


def value_and_grad(
    function: Callable[..., Any], argnums: int | Sequence[int] = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """`function`, returning its scalar value and the gradient, as `jax.value_and_grad`.

    The gradient with respect to an argument that is a Module is a dict: dotted name to array,
    for each trainable Parameter once (as `Module.parameter_values`); buffers, integer ones too,
    are left out. With `has_aux` the function returns (value, aux), and the result is
    ((value, aux), gradient). A method of a Module, or a Module itself, has the Module as
    argument 0. What the function writes into Modules is kept in those that were passed.
    """

    @functools.wraps(function, updated=())
    def with_gradient(*args: Any, **kwargs: Any) -> Any:
        call = Call(function, args, kwargs)
        numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        numbers = tuple(_argument(call, number) for number in numbers)
        names = {
            n: trainable_slots(call, top)
            for n in numbers
            if (top := call.top(call.args[n])) is not None
        }
        slots = sorted({slot for of_module in names.values() for slot in of_module.values()})

        pure = _of_active(call, has_aux=has_aux)
        active = (
            {slot: call.leaves[slot] for slot in slots},
            {n: call.args[n] for n in numbers if n not in names},
        )
        (value, (aux, values)), found = jax.value_and_grad(pure, has_aux=True)(active)
        gradients = tuple(
            {name: found[0][slot] for name, slot in names[n].items()} if n in names else found[1][n]
            for n in numbers
        )
        value, aux = call.finish((value, aux), values)
        gradient = gradients[0] if isinstance(argnums, int) else gradients
        return ((value, aux) if has_aux else value), gradient

    return with_gradient


def grad(
    function: Callable[..., Any], argnums: int | Sequence[int] = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """As `value_and_grad`, returning the gradient, or (gradient, aux)."""
    with_value = value_and_grad(function, argnums, has_aux=has_aux)

    @functools.wraps(function, updated=())
    def gradient_alone(*args: Any, **kwargs: Any) -> Any:
        value, gradient = with_value(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return gradient_alone


def backward(
    loss: Callable[..., Any], module: Module, *args: Any, has_aux: bool = False, **kwargs: Any
) -> Any:
    """Compute `loss(module, *args, **kwargs)` and add its gradient to each `Parameter.grad`.

    Returns the loss, or with `has_aux` (loss, aux), where the function returns these. Gradients
    of several calls add up until `Module.zero_grad`; Parameters that are not trainable get none.
    There is no tape: `loss` is run here. Works inside `gradion.jit`, which carries the grads out.
    """
    if not isinstance(module, Module):
        raise TypeError(f"backward: got {type(module).__name__} as Module, expected a Module")
    if not callable(loss):
        raise TypeError(
            f"backward: got {type(loss).__name__} as loss, expected the function that computes "
            "it, with the Module as first argument: backward(loss_fn, module, x, y)"
        )
    value, gradient = value_and_grad(loss, has_aux=has_aux)(module, *args, **kwargs)
    for name, new in gradient.items():
        parameter = module.get_parameter(name)
        parameter.grad = new if parameter.grad is None else parameter.grad + new
    return value


def jvp(
    function: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    has_aux: bool = False,
) -> Any:
    """Value and directional derivative of `function`, as `jax.jvp`.

    The tangent of a primal that is a Module is a dict, dotted name of a Parameter to array; the
    tangents of Parameters that are not named are zero, and so are those of buffers. Returns
    (out, tangent), or with `has_aux` (out, tangent, aux). What the function writes into Modules
    is kept in those that were passed. Raises InputError for an unknown name or a tangent whose
    shape differs.
    """
    if len(primals) != len(tangents):
        raise InputError(f"jvp: got {len(primals)} primals and {len(tangents)} tangents")
    call = Call(function, tuple(primals), {})
    slots: dict[int, Any] = {}
    directions: dict[int, Any] = {}
    for n, tangent in enumerate(tangents, start=call.offset):
        top = call.top(call.args[n])
        if top is None:
            directions[n] = tangent
        else:
            slots |= _tangents(call, top, tangent)

    pure = _of_active(call, has_aux=has_aux)
    at = ({slot: call.leaves[slot] for slot in slots}, {n: call.args[n] for n in directions})
    value, tangent, (aux, values) = jax.jvp(pure, (at,), ((slots, directions),), has_aux=True)
    value, tangent, aux = call.finish((value, tangent, aux), values)
    return (value, tangent, aux) if has_aux else (value, tangent)


def _of_active(
    call: Call, *, has_aux: bool
) -> Callable[[tuple[dict[int, Any], dict[int, Any]]], tuple[Any, Any]]:
    """The call as a function of what is differentiated: leaves and arguments by their numbers.

    It returns the value, and beside it the aux and the new values of the Modules.
    """

    def pure(active: tuple[dict[int, Any], dict[int, Any]]) -> tuple[Any, Any]:
        leaves, args = list(call.leaves), list(call.args)
        for all_of, some in zip((leaves, args), active, strict=True):
            for number, value in some.items():
                all_of[number] = value
        out, values = call.run(leaves, tuple(args), call.kwargs)
        value, aux = _value_and_aux(out) if has_aux else (out, None)
        return value, (aux, values)

    return pure


def _argument(call: Call, number: int) -> int:
    """The position of an argument, of which a method's own Module is the first."""
    count = len(call.args)
    if not -count <= number < count:
        raise InputError(f"argnums: got {number}, but the function has {count} arguments")
    return number % count


def _value_and_aux(out: Any) -> tuple[Any, Any]:
    if not isinstance(out, tuple) or len(out) != 2:
        raise TypeError(f"has_aux: the function returned {type(out).__name__}, expected a pair")
    return out


def _tangents(call: Call, module: Module, tangent: Any) -> dict[int, Any]:
    if not isinstance(tangent, Mapping):
        raise TypeError(
            f"tangent of {type(module).__name__}: got {type(tangent).__name__}, expected a dict "
            "of arrays by name of the Parameter"
        )
    known = dict(module.named_parameters(remove_duplicate=False))
    found = {}
    for name, value in tangent.items():
        if name not in known:
            raise unknown_name("parameter", name, known)
        if jnp.shape(value) != known[name].shape:
            raise InputError(
                f"tangent has shape {jnp.shape(value)}, expected {known[name].shape}",
                where=f"parameter {name!r}",
            )
        found[call.parameter_number(known[name])] = jnp.asarray(value, dtype=known[name].dtype)
    return found
