"""A named number (or array of numbers) of a model, with what is known about it."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, Self, final

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike, DTypeLike

from gradion.foundation.errors import InputError
from gradion.module.meta import Bounds, ParameterMeta
from gradion.module.prior import AbstractPrior

__all__ = ["Parameter", "check_bounds"]

if TYPE_CHECKING:
    # Assigned to a Module's attribute a Parameter is read back as its array, which no type checker
    # can follow: for them alone it is one.
    _ArrayInTypes = jax.Array
else:
    _ArrayInTypes = object


@final
class Parameter(_ArrayInTypes):
    """A value with its unit, bounds, prior, source and trainability, owned by a Module.

    Assigned to an attribute of a Module it is registered there, and reading that attribute
    gives the array `value`; the Parameter itself is reached by `module.get_parameter(name)`.
    It is neither an array nor a pytree: JAX functions reject it.

    - `value`: number or array of any shape, in `unit`. Python numbers and numpy arrays become
      float64; a floating JAX array keeps its dtype. `dtype` says otherwise.
    - `unit`: unit text such as "m^2/s"; "1" is dimensionless.
    - `bounds`: (low, high) in `unit`, closed; None or an infinity leaves a side open.
    - `prior`: an `AbstractPrior` over the value; `source`: where the number comes from.
    - `trainable`: whether a fit may move it.

    Raises InputError for a bad unit, bad bounds or a value outside them, TypeError for a value
    that is not a number. A traced value is not compared with its bounds.
    """

    __slots__ = ("__weakref__", "_grad", "_meta", "_value")

    _value: Any
    _meta: ParameterMeta
    _grad: Any

    def __init__(
        self,
        value: ArrayLike,
        *,
        unit: str = "1",  # string: a unit is text, checked against the unit grammar
        bounds: tuple[float | None, float | None] | None = None,
        prior: AbstractPrior | None = None,
        source: str | None = None,
        trainable: bool = True,
        dtype: DTypeLike | None = None,
    ) -> None:
        self._meta = ParameterMeta(
            unit=unit,
            bounds=bounds,  # type: ignore[arg-type]  # None sides are closed by ParameterMeta
            prior=prior,
            source=source,
            trainable=trainable,
        )
        self._value = _first_value(value, dtype)
        self._grad = None
        check_bounds(self._value, self._meta.bounds)

    @classmethod
    def from_leaf(cls, leaf: Any, meta: ParameterMeta) -> Self:
        """A Parameter around any object, unchecked: JAX rebuilds trees with placeholders."""
        parameter = object.__new__(cls)
        parameter._value = leaf
        parameter._meta = meta
        parameter._grad = None
        return parameter

    @property
    def value(self) -> jax.Array:
        """The value, in `unit`. Setting it keeps shape and dtype and checks the bounds.

        Python numbers and numpy arrays are converted to the dtype. Raises InputError for a
        shape that differs or a value outside the bounds, TypeError for a JAX array of another
        dtype or for what is not a number.
        """
        return self._value

    @value.setter
    def value(self, value: ArrayLike) -> None:
        new = self.matching(value)
        check_bounds(new, self._meta.bounds)
        self._value = new

    def assign(self, value: jax.Array, meta: ParameterMeta) -> None:
        """Set value and description at once, as loading does; raises as setting each does."""
        new = self.matching(value)
        check_bounds(new, meta.bounds)
        self._value, self._meta = new, meta

    def matching(self, value: Any) -> jax.Array:
        """`value` as an array of this Parameter's shape and dtype; bounds are not looked at.

        Raises as setting `value` does.
        """
        shape, dtype = jnp.shape(self._value), self._value.dtype
        if isinstance(value, jax.Array):
            if value.dtype != dtype:
                raise TypeError(
                    f"Parameter value: got dtype {value.dtype}, expected {dtype}; convert it "
                    "with .astype"
                )
            new = _strong(value)
        else:
            new = jnp.asarray(_as_numbers(value), dtype=dtype)
        if new.shape != shape:
            raise InputError(f"Parameter value has shape {new.shape}, expected {shape}")
        return new

    @property
    def meta(self) -> ParameterMeta:
        """Unit, bounds, prior, source and trainability as one immutable object.

        Setting it checks the value against the new bounds and raises InputError if outside.
        """
        return self._meta

    @meta.setter
    def meta(self, meta: ParameterMeta) -> None:
        if not isinstance(meta, ParameterMeta):
            raise TypeError(f"Parameter meta: got {meta!r}, expected a ParameterMeta")
        check_bounds(self._value, meta.bounds)
        self._meta = meta

    @property
    def unit(self) -> str:
        """Canonical unit text; fixed, since formulas that read the value count on it."""
        return self._meta.unit

    @property
    def bounds(self) -> Bounds | None:
        """(low, high) in `unit`, or None. Settable; raises InputError as the constructor does."""
        return self._meta.bounds

    @bounds.setter
    def bounds(self, bounds: tuple[float | None, float | None] | None) -> None:
        self.meta = replace(self._meta, bounds=bounds)  # type: ignore[arg-type]  # as above

    @property
    def prior(self) -> AbstractPrior | None:
        """Prior density over the value, or None. Settable."""
        return self._meta.prior

    @prior.setter
    def prior(self, prior: AbstractPrior | None) -> None:
        self.meta = replace(self._meta, prior=prior)

    @property
    def source(self) -> str | None:
        """Where the number comes from. Settable."""
        return self._meta.source

    @source.setter
    def source(self, source: str | None) -> None:
        self.meta = replace(self._meta, source=source)

    @property
    def trainable(self) -> bool:
        """Whether a fit may move the value. Settable."""
        return self._meta.trainable

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        self.meta = replace(self._meta, trainable=trainable)

    @property
    def grad(self) -> jax.Array | None:
        """A slot for a gradient, None until something stores one. Not part of any pytree."""
        return self._grad

    @grad.setter
    def grad(self, grad: jax.Array | None) -> None:
        if grad is not None and jnp.shape(grad) != jnp.shape(self._value):
            raise InputError(
                f"Parameter grad has shape {jnp.shape(grad)}, expected {jnp.shape(self._value)}"
            )
        self._grad = grad

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value."""
        return self._value.shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the value."""
        return self._value.dtype

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        # Without this numpy, and JAX through it, would make an object array of the Parameter.
        raise TypeError("a Parameter is not an array; use its .value")

    def __repr__(self) -> str:
        parts = [str(self._value), f"unit={self._meta.unit!r}"]
        for name in ("bounds", "prior", "source"):
            given = getattr(self._meta, name)
            if given is not None:
                parts.append(f"{name}={given!r}")
        if not self._meta.trainable:
            parts.append("trainable=False")
        return f"Parameter({', '.join(parts)})"


def check_bounds(value: Any, bounds: Bounds | None) -> None:
    """Raise InputError if a concrete `value` has an entry outside the closed `bounds`."""
    # A tracer has no numbers yet, and a placeholder leaf has none at all.
    if bounds is None or not isinstance(value, jax.Array) or isinstance(value, jax.core.Tracer):
        return
    low, high = bounds
    numbers = np.asarray(value)
    outside = ~((numbers >= low) & (numbers <= high))
    if outside.any():
        raise InputError(
            f"Parameter value {numbers[outside].flat[0]!s} is outside its bounds "
            f"({low:g}, {high:g})",
            mend="give a value inside them or widen them",
        )


def _first_value(value: Any, dtype: DTypeLike | None) -> jax.Array:
    """The constructor's value as an array: float64 unless a JAX array or `dtype` says else."""
    if isinstance(value, jax.Array):
        target = jnp.dtype(value.dtype if dtype is None else dtype)
    else:
        value = _as_numbers(value)
        target = jnp.dtype(jnp.float64 if dtype is None else dtype)
    if not jnp.issubdtype(target, jnp.floating):
        raise TypeError(
            f"Parameter dtype: got {target}, expected a floating dtype; whole numbers are buffers "
            "or plain attributes"
        )
    if isinstance(value, jax.Array) and value.dtype == target:
        return _strong(value)
    return jnp.asarray(value, dtype=target)


def _as_numbers(value: Any) -> np.ndarray:
    if isinstance(value, Parameter):
        raise TypeError("Parameter value: got a Parameter, expected a number; use its .value")
    numbers = np.asarray(value)
    if numbers.dtype.kind not in "iuf":
        raise TypeError(
            f"Parameter value: got {type(value).__name__} {value!r}, expected a real number or "
            "an array of them"
        )
    return numbers


def _strong(value: jax.Array) -> jax.Array:
    """The same array without JAX's weak type, so that equal Parameters share compiled code."""
    return jnp.asarray(value, dtype=value.dtype) if value.aval.weak_type else value
