"""Modules whose Parameters take their shapes from the first call."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from gradion.module.module import Module

__all__ = ["LazyModule"]


class LazyModule(Module):
    """A Module with Parameters made by `Parameter.uninitialized`, until its first call.

    A subclass calls `super().__init__()`, assigns such Parameters and says in
    `initialize_parameters` how they get values. This runs once, before `forward` and after the
    hooks that were put before it, on the arguments of the first call; if it leaves a Parameter
    without value, RuntimeError is raised. Then the Module turns into `cls_to_become`, if that is
    set: its class is another one, with the same attributes. A state that is loaded before the
    first call gives the Parameters their values too; `initialize_parameters` runs all the same
    and must leave these alone (`Parameter.is_uninitialized`).

    Until then the Module may be copied, moved and loaded; use in a transformation raises, so
    call it once on an example before. An attribute that it drops may hold a random key. A buffer
    of unknown shape is registered as None.
    """

    # Class that an initialised Module gets; None leaves it as it is.
    cls_to_become: ClassVar[type[Module] | None] = None

    def __init__(self) -> None:
        super().__init__()
        self.register_forward_pre_hook(_initialize, with_kwargs=True)

    @abstractmethod
    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give the Parameters values (`Parameter.materialize`) that fit these arguments."""

    def has_uninitialized_params(self) -> bool:
        """Whether a Parameter of this Module itself has no value yet."""
        return bool(_uninitialized(self))


def _initialize(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """The hook of the first call."""
    if not isinstance(module, LazyModule):
        raise TypeError(f"{type(module).__name__} is not lazy, but has the hook of a LazyModule")
    module.initialize_parameters(*args, **kwargs)
    left = _uninitialized(module)
    if left:
        raise RuntimeError(
            f"{type(module).__name__}.initialize_parameters has left Parameters without value: "
            f"{', '.join(left)}; call .materialize(value) of each"
        )
    _remove_hook(module)
    if module.cls_to_become is not None:
        object.__setattr__(module, "__class__", module.cls_to_become)
        module._changed()


def _uninitialized(module: Module) -> list[str]:
    return [
        name
        for name, parameter in module._parameters.items()
        if parameter is not None and parameter.is_uninitialized
    ]


def _remove_hook(module: Module) -> None:
    # Not by a handle: that of a deep copy would belong to the original.
    hooks = module._hooks
    if hooks is None:
        return
    for key, entry in tuple(hooks.forward_pre.items()):
        if entry.hook is _initialize:
            del hooks.forward_pre[key]
    hooks.forward_pre.changed()
