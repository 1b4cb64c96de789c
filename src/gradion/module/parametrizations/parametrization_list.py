"""What one attribute is expressed through: its originals and the parametrizations in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, SupportsIndex, cast, final

import jax
import jax.numpy as jnp
import numpy as np

from gradion.foundation.errors import InputError
from gradion.module.containers.numbered import append_all, child_name
from gradion.module.meta import ParameterMeta
from gradion.module.module import Module
from gradion.module.parameter import Parameter, check_bounds

__all__ = ["ParametrizationList", "inverse_of", "originals_of"]


@final
class ParametrizationList(Module):
    """The originals of an attribute, and its parametrizations as children "0", "1", ...

    Calling it gives the value: the first parametrization on the originals, each other one on
    what came before. One original is named `original`; several (the first parametrization's right
    inverse gave a sequence) are `original0`, `original1`, ... `register_parametrization` makes
    these lists.

    - `count`: number of originals in a sequence, None where there is the one original.
    - `unsafe`: shape and dtype of the value may differ from those of the attribute.
    - `description`: what was known of the attribute, None where it holds for the original too. It
      may be replaced; `remove_parametrizations` gives it back to the Parameter.
    """

    count: int | None
    unsafe: bool
    description: ParameterMeta | None

    def __init__(
        self,
        parametrization: Module,
        originals: Parameter | jax.Array | Sequence[Parameter | jax.Array],
        *,
        description: ParameterMeta | None,
        unsafe: bool,
        persistent: bool,
    ) -> None:
        super().__init__()
        self.unsafe = unsafe
        self.description = description
        several = isinstance(originals, (list, tuple))
        entries: list[Any] = list(originals) if several else [originals]
        self.count = len(entries) if several else None
        for name, entry in zip(self.original_names(), entries, strict=True):
            if isinstance(entry, Parameter):
                self.register_parameter(name, entry)
            else:
                self.register_buffer(name, entry, persistent)
        self.add(parametrization, unsafe=unsafe)

    def original_names(self) -> list[str]:
        """Names of the originals."""
        return ["original"] if self.count is None else [f"original{i}" for i in range(self.count)]

    def forward(self) -> Any:
        """The value of the attribute."""
        first, *others = self
        value = first(*(getattr(self, name) for name in self.original_names()))
        for parametrization in others:
            value = parametrization(value)
        return value

    def add(self, parametrization: Module, *, unsafe: bool) -> None:
        """Express the attribute through one more parametrization, applied last."""
        append_all(self, [parametrization])
        self.unsafe = self.unsafe or unsafe

    def assign(self, value: Any) -> None:
        """Set the originals so that the attribute has this value.

        Raises TypeError for what is no array or number, RuntimeError where a parametrization has
        no `right_inverse`, and InputError, before anything is changed, for a value outside the
        bounds of the attribute, of another shape (unless `unsafe`), or whose originals differ in
        number or dtype from those present.
        """
        present = self()
        array = _as_array(value, present.dtype)
        if self.description is not None:
            check_bounds(array, self.description.bounds)
        if not self.unsafe and array.shape != present.shape:
            raise InputError(f"got shape {array.shape}, expected {present.shape}")
        given: Any = array
        for parametrization in reversed(self):
            right_inverse = inverse_of(parametrization)
            if right_inverse is None:
                raise RuntimeError(
                    f"{type(parametrization).__name__} has no right_inverse, by which a value "
                    "could be assigned; set the originals"
                )
            given = right_inverse(given)
        self._set_originals(given)

    def _set_originals(self, given: Any) -> None:
        new = originals_of(given)
        if isinstance(new, list) != (self.count is not None) or (
            isinstance(new, list) and len(new) != self.count
        ):
            raise InputError(
                f"right_inverse gave {len(new) if isinstance(new, list) else 'one array'}, "
                f"expected {'one array' if self.count is None else self.count}"
            )
        arrays = new if isinstance(new, list) else [new]
        for name, array in zip(self.original_names(), arrays, strict=True):
            dtype = getattr(self, name).dtype
            if array.dtype != dtype:
                raise InputError(
                    f"right_inverse gave dtype {array.dtype} for {name}, expected {dtype}",
                    mend="convert the value with .astype",
                )
            parameter = self._parameters.get(name)
            if parameter is not None:
                check_bounds(array, parameter.bounds)
        for name, array in zip(self.original_names(), arrays, strict=True):
            parameter = self._parameters.get(name)
            if parameter is None:
                setattr(self, name, array)
            else:
                parameter._replace_value(array)

    def extra_repr(self) -> str:
        """What is known of the attribute, where the original is another quantity."""
        meta = self.description
        if meta is None:
            return ""
        parts = [f"unit={meta.unit!r}"]
        if meta.bounds is not None:
            parts.append(f"bounds=({meta.bounds[0]:g}, {meta.bounds[1]:g})")
        return ", ".join(parts)

    def __len__(self) -> int:
        return len(self._modules)

    def __getitem__(self, index: SupportsIndex) -> Module:
        return cast(Module, self._modules[child_name(self, index)])

    def __iter__(self) -> Iterator[Module]:
        return iter(cast("tuple[Module, ...]", tuple(self._modules.values())))


def inverse_of(parametrization: Module) -> Callable[[Any], Any] | None:
    """Its right inverse, None if it has none: PyTorch's protocol, which no base class declares."""
    found: Callable[[Any], Any] | None = getattr(parametrization, "right_inverse", None)
    return found


def originals_of(given: Any) -> jax.Array | list[jax.Array]:
    """What a right inverse gave, as one array or a list; InputError for anything else."""
    if isinstance(given, (list, tuple)):
        for i, item in enumerate(given):
            if not isinstance(item, (jax.Array, np.ndarray)):
                raise InputError(
                    f"right_inverse gave {type(item).__name__} as entry {i}, expected an array"
                )
        return [jnp.asarray(item) for item in given]
    if not isinstance(given, (jax.Array, np.ndarray)):
        raise InputError(
            f"right_inverse gave {type(given).__name__}, expected an array or a sequence of them"
        )
    return jnp.asarray(given)


def _as_array(value: Any, dtype: Any) -> jax.Array:
    """An array as it is; numbers and numpy arrays in `dtype`, as `Parameter.value` takes them."""
    if isinstance(value, jax.Array):
        return value
    numbers = np.asarray(value)
    if numbers.dtype.kind not in "iuf":
        raise TypeError(f"got {type(value).__name__}, expected an array to assign")
    return jnp.asarray(numbers, dtype=dtype)
