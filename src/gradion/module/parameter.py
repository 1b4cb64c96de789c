"""A named number (or array of numbers) of a model, with what is known about it."""

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, Self, final

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike, DTypeLike

from gradion.foundation.compat.trace_scope import current_scope
from gradion.foundation.errors import InputError
from gradion.module.change_counter import CHANGES
from gradion.module.meta import Bounds, ParameterMeta
from gradion.module.prior import AbstractPrior
from gradion.module.scope import require_writable

__all__ = ["GradientError", "Parameter", "UninitializedError", "check_bounds", "strong"]

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

    __slots__ = ("__weakref__", "_grad", "_meta", "_scope", "_value")

    _value: Any
    _meta: ParameterMeta
    _grad: Any
    _scope: Any

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
        self._scope = current_scope()
        check_bounds(self._value, self._meta.bounds)

    @classmethod
    def uninitialized(
        cls,
        *,
        unit: str = "1",  # string: as in the constructor
        bounds: tuple[float | None, float | None] | None = None,
        prior: AbstractPrior | None = None,
        source: str | None = None,
        trainable: bool = True,
        dtype: DTypeLike = jnp.float64,
    ) -> Self:
        """A Parameter whose shape is not known yet, for a lazy Module; `materialize` gives one.

        Using it as an array, in a transformation or in a file raises. Raises as the constructor.
        """
        meta = ParameterMeta(
            unit=unit,
            bounds=bounds,  # type: ignore[arg-type]  # as in the constructor
            prior=prior,
            source=source,
            trainable=trainable,
        )
        return cls.from_leaf(_Uninitialized(_floating(dtype)), meta, current_scope())

    @property
    def is_uninitialized(self) -> bool:
        """Whether the Parameter has no value yet."""
        return isinstance(self._value, _Uninitialized)

    def materialize(self, value: ArrayLike) -> None:
        """Give an uninitialised Parameter its first value, converted to its dtype.

        Raises RuntimeError if it has one, else as the constructor does.
        """
        if not self.is_uninitialized:
            raise RuntimeError(f"Parameter of shape {self.shape} has a value already; set .value")
        new = _first_value(value, self._value.dtype)
        check_bounds(new, self._meta.bounds)
        self._replace_value(new)

    @classmethod
    def from_leaf(cls, leaf: Any, meta: ParameterMeta, scope: Any) -> Self:
        """A Parameter around any object, unchecked: JAX rebuilds trees with placeholders.

        `scope`: where it may be written, see `gradion.module.scope`.
        """
        parameter = object.__new__(cls)
        parameter._value = leaf
        parameter._meta = meta
        parameter._grad = None
        parameter._scope = scope
        return parameter

    def _replace_value(self, value: Any) -> None:
        """Set the value, whatever its shape and dtype; only the scope is checked."""
        require_writable(self._scope, "a Parameter's value")
        self._value = value

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
        self._replace_value(new)

    def assign(self, value: jax.Array, meta: ParameterMeta) -> None:
        """Set value and description at once, as loading does; raises as setting each does."""
        new = self.matching(value)
        check_bounds(new, meta.bounds)
        self._replace_value(new)
        self._set_meta(meta)

    def matching(self, value: Any) -> jax.Array:
        """`value` as an array of this Parameter's shape and dtype; bounds are not looked at.

        Raises as setting `value` does.
        """
        if self.is_uninitialized:
            raise RuntimeError("Parameter has no shape yet; give it one with .materialize(value)")
        shape, dtype = jnp.shape(self._value), self._value.dtype
        if isinstance(value, jax.Array):
            if value.dtype != dtype:
                raise TypeError(
                    f"Parameter value: got dtype {value.dtype}, expected {dtype}; convert it "
                    "with .astype"
                )
            new = strong(value)
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
        require_writable(self._scope, "a Parameter's description")
        self._set_meta(meta)

    def _set_meta(self, meta: ParameterMeta) -> None:
        if meta is not self._meta:
            self._meta = meta
            CHANGES.note()

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
    def requires_grad(self) -> bool:
        """PyTorch's name for `trainable`. Settable."""
        return self._meta.trainable

    @requires_grad.setter
    def requires_grad(self, requires_grad: bool) -> None:
        self.trainable = requires_grad

    @property
    def grad(self) -> jax.Array | None:
        """The gradient that `gradion.backward` has left here, or None. Not part of any pytree."""
        return self._grad

    @grad.setter
    def grad(self, grad: jax.Array | None) -> None:
        if grad is not None and jnp.shape(grad) != jnp.shape(self._value):
            raise GradientError(
                f"Parameter grad has shape {jnp.shape(grad)}, expected {jnp.shape(self._value)}"
            )
        require_writable(self._scope, "a Parameter's grad")
        self.set_grad(grad)

    def set_grad(self, grad: jax.Array | None) -> None:
        """Set `grad` with no check."""
        if (grad is None) is not (self._grad is None):
            # Compiled functions take grads as arguments: that one comes or goes is a change.
            CHANGES.note()
        self._grad = grad

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value."""
        return self._value.shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype of the value."""
        return self._value.dtype

    def __copy__(self) -> Self:
        """A Parameter of its own around the same arrays."""
        twin = type(self).from_leaf(self._value, self._meta, current_scope())
        twin._grad = self._grad
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A Parameter of its own with an array of its own, without grad, as in PyTorch."""
        return type(self).from_leaf(copy.deepcopy(self._value, memo), self._meta, current_scope())

    def __reduce__(self) -> tuple[Any, ...]:
        # Not the scope: it is of this process alone.
        return _unpickled, (self._value, self._meta, self._grad)

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


def _unpickled(value: Any, meta: ParameterMeta, grad: Any) -> Parameter:
    parameter = Parameter.from_leaf(value, meta, current_scope())
    parameter._grad = grad
    return parameter


@final
class GradientError(InputError, RuntimeError):
    """A gradient that does not fit its Parameter."""


@final
class UninitializedError(RuntimeError, ValueError):
    """A Parameter without a value was used as an array."""


def _no_value(*_: Any, **__: Any) -> NoReturn:
    raise UninitializedError(
        "a Parameter of a lazy Module has no value yet; call the Module once on an example"
    )


@final
class _Uninitialized:
    """Stands for the value of a Parameter that has none yet; using it as an array raises."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype

    shape = ndim = size = T = property(_no_value)
    __array__ = __jax_array__ = __getitem__ = __iter__ = __len__ = __float__ = _no_value
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __matmul__ = _no_value
    __rmatmul__ = __truediv__ = __rtruediv__ = __pow__ = __rpow__ = __neg__ = __abs__ = _no_value

    def __repr__(self) -> str:
        return f"<no value yet, {self.dtype}>"


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
    target = _floating(target)
    if isinstance(value, jax.Array) and value.dtype == target:
        return strong(value)
    return jnp.asarray(value, dtype=target)


def _floating(dtype: DTypeLike) -> np.dtype:
    dtype = jnp.dtype(dtype)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise TypeError(
            f"Parameter dtype: got {dtype}, expected a floating dtype; whole numbers are buffers "
            "or plain attributes"
        )
    return dtype


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


def strong(value: jax.Array) -> jax.Array:
    """The same array without JAX's weak type, so that equal Parameters share compiled code."""
    return jnp.asarray(value, dtype=value.dtype) if value.aval.weak_type else value
