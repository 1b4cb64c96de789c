"""Which form of a Parameter meets JAX's functions as an array does?

Each design below is tried against the same operations; the table says which pass. Run it with
any JAX; it needs nothing of gradion: `python benchmarks/experiments/parameter_meets_jax.py`.
The decision drawn from it stands in docs/theory/parameter-and-jax.md.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


class Wrapper:
    """(a) Holds an array and converts itself by `__jax_array__`."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __jax_array__(self) -> Any:
        return self.value

    def __mul__(self, other: Any) -> Any:
        return self.value * other


@jax.tree_util.register_pytree_node_class
class Tree(Wrapper):
    """(b) As (a), and a pytree of one leaf."""

    def tree_flatten(self) -> tuple[tuple[Any], None]:
        return (self.value,), None

    @classmethod
    def tree_unflatten(cls, _: None, leaves: tuple[Any]) -> "Tree":
        return cls(leaves[0])


class Typed:
    """(d) Known to JAX's internal tables of types, which unwrap it at each operation."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __mul__(self, other: Any) -> Any:
        return self.value * other


class Opaque(Typed):
    """(d') As (d), but unwrapped only where a compiled program takes its arguments."""


def array(value: Any) -> Any:
    """(c) Reading the attribute gives the array; the Parameter object is elsewhere."""
    return value


Design = Callable[[Any], Any]
DESIGNS: dict[str, Design] = {
    "(a)": Wrapper,
    "(b)": Tree,
    "(c)": array,
    "(d)": Typed,
    "(d')": Opaque,
}


def make_types_known() -> None:
    """Enter Typed and Opaque into the tables of jax._src (internal: no promise holds there)."""
    from jax._src import core, dtypes
    from jax._src.interpreters import pxla

    def shard(parameters: Any, *_: Any) -> Any:
        return [jax.device_put(parameter.value) for parameter in parameters]

    for cls in (Typed, Opaque):
        core.pytype_aval_mappings[cls] = lambda p: core.typeof(p.value)
        pxla.shard_arg_handlers[cls] = shard
    dtypes.canonicalize_value_handlers[Typed] = lambda p: p.value
    dtypes.canonicalize_value_handlers[Opaque] = lambda p: p


def scan_keeps_type(make: Design) -> bool:
    carry, _ = lax.scan(lambda c, _: (c, c * 2.0), make(jnp.array(2.0)), None, length=3)
    return type(carry) is type(make(jnp.array(2.0)))


def vmap_values(make: Design) -> bool:
    squares = jax.vmap(lambda p: jnp.square(p), in_axes=0)(make(jnp.arange(3.0)))
    return bool((squares == jnp.arange(3.0) ** 2).all())


def grad_value(make: Design) -> bool:
    gradient = jax.grad(lambda p: jnp.square(p))(make(jnp.array(2.0)))
    return float(getattr(gradient, "value", gradient)) == 4.0


def close_over(make: Design) -> bool:
    p = make(jnp.array(2.0))
    return float(jax.jit(lambda x: lax.mul(p, x))(jnp.array(3.0))) == 6.0


def mixed_gradient(make: Design) -> Callable[[float], Any]:
    """Derivative (4 everywhere) of a function that puts its argument into a Parameter."""
    return jax.grad(lambda x: x + lax.mul(make(x), 3.0))


OPERATIONS: dict[str, Callable[[Design], bool]] = {
    "jnp.exp": lambda make: float(jnp.exp(make(jnp.array(0.0)))) == 1.0,
    "lax.exp": lambda make: float(lax.exp(make(jnp.array(0.0)))) == 1.0,
    "lax.add": lambda make: float(lax.add(make(jnp.array(2.0)), jnp.array(1.0))) == 3.0,
    "jit argument": lambda make: float(jax.jit(lambda p: p * 2.0)(make(jnp.array(2.0)))) == 4.0,
    "scan carry": scan_keeps_type,
    "vmap in_axes=0": vmap_values,
    "closure + lax": close_over,
    "grad": grad_value,
    "grad inside": lambda make: float(mixed_gradient(make)(2.0)) == 4.0,
    "jit grad inside": lambda make: float(jax.jit(mixed_gradient(make))(2.0)) == 4.0,
}


def outcome(operation: Callable[[Design], bool], make: Design) -> str:
    try:
        return "yes" if operation(make) else "WRONG"
    except Exception as error:  # noqa: BLE001  # what is raised is the finding
        return type(error).__name__


def main() -> None:
    make_types_known()
    print(f"jax {jax.__version__}\n")
    print("| operation | " + " | ".join(DESIGNS) + " |")
    print("| --- " * (len(DESIGNS) + 1) + "|")
    for name, operation in OPERATIONS.items():
        cells = [outcome(operation, make) for make in DESIGNS.values()]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
