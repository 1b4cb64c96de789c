"""The one base of every model, physical or learned."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn, Self

import jax
import jax.numpy as jnp
import numpy as np

from gradion.foundation.errors import near_names
from gradion.module import editing, report, structure, traversal
from gradion.module.editing import LoadResult
from gradion.module.parameter import Parameter
from gradion.module.static import is_array

__all__ = ["Module"]


def _no_forward(self: Module, *_: Any, **__: Any) -> NoReturn:
    """Stand in for the `forward` that a Module to be called must define."""
    raise NotImplementedError(f"{type(self).__name__} has no forward method to call")


class Module(ABC):
    """Holds Parameters, buffers and Modules by name; open to be subclassed.

    A subclass calls `super().__init__()` and then assigns attributes. A `Parameter` or a
    `Module` assigned is registered under that name; reading a registered Parameter gives its
    array. Assigning an array to a registered buffer replaces the buffer. Semantics follow
    torch.nn.Module (PyTorch 2.13) but for that reading.

    Every Module is a JAX pytree. Its leaves are each distinct Parameter once, then buffers,
    then arrays assigned to other attributes; everything else is static and must be hashable
    (TypeError on first use by JAX, naming class and attribute). A Parameter that two Modules
    share is one leaf and stays shared. To JAX the whole tree below a Module is one flat node.
    Within a transformation a Module is a copy around tracers: what is assigned to its buffers
    there is lost unless the Module is returned.
    """

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, jax.Array | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers: set[str]
    _array_names: frozenset[str]
    _version: int
    training: bool

    # An attribute, not a method: a subclass's signature is its own business.
    forward: Callable[..., Any] = _no_forward

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _register_pytree(cls)

    def __init__(self) -> None:
        state = self.__dict__
        state["_array_names"] = frozenset(name for name in state if is_array(state[name]))
        state["training"] = True
        state["_parameters"] = {}
        state["_buffers"] = {}
        state["_non_persistent_buffers"] = set()
        state["_modules"] = {}
        state["_version"] = 0
        state["_plan"] = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call `forward`; NotImplementedError if the class has none."""
        return self.forward(*args, **kwargs)

    # -- attributes --------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        state = self.__dict__
        if "_parameters" in state:
            parameter = state["_parameters"].get(name)
            if parameter is not None:
                return parameter._value
            for store in ("_buffers", "_modules", "_parameters"):
                if name in state[store]:
                    return state[store][name]
        # Python itself adds near names to a traceback, from name and obj: looking for them here
        # would slow down every hasattr.
        raise AttributeError(_missing(self, name), name=name, obj=self)

    def __setattr__(self, name: str, value: Any) -> None:
        state = self.__dict__
        if isinstance(value, Parameter):
            self._require_init("parameters")
            self._forget(name, "_buffers", "_modules")
            self.register_parameter(name, value)
            return
        if name in state.get("_parameters", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign {type(value).__name__} to Parameter {name!r} of "
                    f"{type(self).__name__}; set .get_parameter({name!r}).value, use "
                    "with_parameters, or assign a Parameter or None"
                )
            self.register_parameter(name, None)
        elif isinstance(value, Module):
            self._require_init("modules")
            self._forget(name, "_buffers")
            state["_modules"][name] = value
            state["_version"] += 1
        elif name in state.get("_modules", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign {type(value).__name__} to Module {name!r} of "
                    f"{type(self).__name__}; expected a Module or None"
                )
            state["_modules"][name] = None
            state["_version"] += 1
        elif name in state.get("_buffers", ()):
            # No change of structure: a buffer is a slot, whatever array or None is in it.
            state["_buffers"][name] = _buffer_value(self, name, value)
        else:
            self._set_plain(name, value)

    def __delattr__(self, name: str) -> None:
        state = self.__dict__
        for store in ("_parameters", "_buffers", "_modules"):
            if name in state.get(store, ()):
                del state[store][name]
                state["_non_persistent_buffers"].discard(name)
                state["_version"] += 1
                return
        if name not in state:
            raise AttributeError(_missing(self, name), name=name, obj=self)
        object.__delattr__(self, name)
        self._note_plain(name, array=False)

    def __dir__(self) -> list[str]:
        names = set(super().__dir__())
        for store in ("_parameters", "_buffers", "_modules"):
            names.update(self.__dict__.get(store, ()))
        return sorted(names)

    def __getstate__(self) -> dict[str, Any]:
        """State for copy.copy and copy.deepcopy; a copy shares no storage with its original."""
        state = dict(self.__dict__)
        for store in ("_parameters", "_buffers", "_modules"):
            state[store] = dict(state[store])
        state["_non_persistent_buffers"] = set(state["_non_persistent_buffers"])
        state["_plan"] = None
        return state

    def _require_init(self, what: str) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(
                f"{type(self).__name__}: cannot assign {what} before super().__init__()"
            )

    def _forget(self, name: str, *stores: str) -> None:
        """Take a name out of other storage, where a new kind of thing takes it over."""
        state = self.__dict__
        for store in stores:
            state[store].pop(name, None)
        state["_non_persistent_buffers"].discard(name)
        if name in state:
            del state[name]
            self._note_plain(name, array=False)

    def _set_plain(self, name: str, value: Any) -> None:
        held = value.values() if isinstance(value, dict) else value
        shown = isinstance(value, (list, tuple, set, frozenset, dict))
        if shown and any(isinstance(item, (Module, Parameter)) for item in held):
            raise TypeError(
                f"{type(self).__name__}.{name}: a {type(value).__name__} of Modules or "
                "Parameters would hide them from JAX; use a ModuleList or attributes"
            )
        known_array = name in self.__dict__.get("_array_names", ())
        object.__setattr__(self, name, value)
        array = is_array(value)
        if not (array and known_array):
            self._note_plain(name, array=array)

    def _note_plain(self, name: str, *, array: bool) -> None:
        """Keep the names of plain attributes that are leaves, and mark a change of structure."""
        state = self.__dict__
        if "_version" not in state:
            return  # before super().__init__(), which looks for arrays itself
        names = state["_array_names"]
        if array or name in names:
            state["_array_names"] = names | {name} if array else names - {name}
        state["_version"] += 1

    # -- registration ------------------------------------------------------------------------

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """Register a Parameter, or None as a place for one.

        Raises KeyError for a name that is empty, dotted or taken by something else, TypeError
        for what is no Parameter, AttributeError before `super().__init__()`.
        """
        self._require_init("parameters")
        self._check_name("parameter", name, self._parameters)
        if parameter is not None and not isinstance(parameter, Parameter):
            raise TypeError(
                f"register_parameter({name!r}): got {type(parameter).__name__}, expected a "
                "Parameter or None"
            )
        self._parameters[name] = parameter
        self.__dict__["_version"] += 1

    def register_buffer(
        self, name: str, array: jax.Array | np.ndarray | None, persistent: bool = True
    ) -> None:
        """Register an array that is state but no Parameter; numpy arrays become JAX arrays.

        A buffer that is not `persistent` is left out of `state_dict`. Raises as
        `register_parameter` does.
        """
        self._require_init("buffers")
        self._check_name("buffer", name, self._buffers)
        self._buffers[name] = _buffer_value(self, name, array)
        if persistent:
            self._non_persistent_buffers.discard(name)
        else:
            self._non_persistent_buffers.add(name)
        self.__dict__["_version"] += 1

    def register_module(self, name: str, module: Module | None) -> None:
        """Register a child Module, or None as a place for one. Raises as `register_parameter`."""
        self._require_init("modules")
        self._check_name("module", name, self._modules)
        if module is not None and not isinstance(module, Module):
            raise TypeError(
                f"register_module({name!r}): got {type(module).__name__}, expected a Module or None"
            )
        self._modules[name] = module
        self.__dict__["_version"] += 1

    def _check_name(self, kind: str, name: str, registered: Mapping[str, object]) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{kind} name: got {type(name).__name__}, expected text")
        if not name:
            raise KeyError(f"{kind} name: got an empty name")
        if "." in name:
            raise KeyError(f"{kind} name {name!r} has a dot, which parts names in a path")
        if name not in registered and hasattr(self, name):
            raise KeyError(
                f"{kind} name {name!r}: {type(self).__name__} has that attribute already"
            )

    # -- look-up -----------------------------------------------------------------------------

    def get_submodule(self, target: str) -> Module:
        """The Module at a dotted path; "" is this one. AttributeError if there is none."""
        module: Module = self
        for name in target.split(".") if target else ():
            child = module._modules.get(name)
            if child is None:
                raise AttributeError(_no_entry(module, "Module", name, module._modules))
            module = child
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The Parameter with a dotted name. AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        parameter = owner._parameters.get(name)
        if parameter is None:
            raise AttributeError(_no_entry(owner, "Parameter", name, owner._parameters))
        return parameter

    def get_buffer(self, target: str) -> jax.Array:
        """The buffer with a dotted name. AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        array = owner._buffers.get(name)
        if array is None:
            raise AttributeError(_no_entry(owner, "buffer", name, owner._buffers))
        return array

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Parameters with dotted names: own ones, then children's; a shared one once."""
        return traversal.walk_parameters(
            self, prefix, recurse=recurse, remove_duplicate=remove_duplicate
        )

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Parameters in the order of `named_parameters`, each once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, jax.Array]]:
        """Buffers with dotted names, in the order of `named_parameters`."""
        return traversal.walk_buffers(
            self, prefix, recurse=recurse, remove_duplicate=remove_duplicate
        )

    def buffers(self, recurse: bool = True) -> Iterator[jax.Array]:
        """Buffers in the order of `named_buffers`."""
        return (array for _, array in self.named_buffers(recurse=recurse))

    def named_modules(
        self, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This Module (path `prefix`) and all below it, with dotted paths; a shared one once."""
        return traversal.walk_modules(self, prefix, remove_duplicate=remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This Module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Direct children with their names, each Module once."""
        return traversal.walk_children(self)

    def children(self) -> Iterator[Module]:
        """Direct children, each once."""
        return (module for _, module in self.named_children())

    def select(self, *globs: str) -> tuple[str, ...]:
        """Names of the Parameters that match any of the globs, in `named_parameters` order.

        Globs are as in fnmatch, and `*` matches dots too; case counts. A shared Parameter
        may be matched by any of its names and comes under its first. Raises InputError, with
        near names, for a glob that matches nothing.
        """
        return editing.select(self, globs)

    # -- modes and copies --------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set `training` here and below; returns this Module."""
        if not isinstance(mode, bool):
            raise TypeError(f"train: got {mode!r}, expected a bool")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """As `train(False)`."""
        return self.train(False)

    def with_parameters(self, values: Mapping[str, Any]) -> Self:
        """A copy with new values for the named Parameters; works under JAX transformations.

        Keys are dotted names; values keep shape and dtype (see `Parameter.value`) but are not
        compared with bounds, so that traced and concrete calls do the same. A shared Parameter
        stays shared. The rest of the copy holds the same arrays. Raises InputError for an
        unknown name, with near names, for a shape that differs, and for a shared Parameter
        given two values.
        """
        return editing.with_parameters(self, values)

    def state_dict(self, prefix: str = "") -> dict[str, jax.Array]:
        """Arrays by dotted name: own Parameters, own persistent buffers, then children.

        A shared Parameter stands under each of its names.
        """
        return editing.state_dict(self, prefix)

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> LoadResult:
        """Set Parameters and buffers in place, from arrays by dotted name.

        Parameter objects stay; values are converted to the dtype they have. Raises one
        InputError that tells all missing and unexpected names (only if `strict`) and all
        entries that do not fit in shape, kind or bounds (always); nothing is changed then.
        """
        return editing.load_state_dict(self, state, strict=strict)

    # -- text --------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """Text for the first line of `repr`; a subclass may say more."""
        return ""

    def __repr__(self) -> str:
        return report.tree_text(self)

    def describe(self) -> str:
        """Table of the Parameters: name, value, unit, bounds, source, trainable."""
        return report.parameter_table(self)


def _register_pytree(cls: type[Module]) -> None:
    jax.tree_util.register_pytree_with_keys(
        cls, structure.flatten_with_keys, structure.unflatten, structure.flatten
    )


_register_pytree(Module)


def _missing(module: Module, name: str) -> str:
    cls = type(module)
    if isinstance(getattr(cls, name, None), property):
        # Python asks for the attribute again when a property raises AttributeError itself.
        return f"property {name!r} of {cls.__name__} raised AttributeError while it was computed"
    if "_parameters" not in module.__dict__:
        return f"{cls.__name__} has no attribute {name!r}; has super().__init__() been called?"
    return f"{cls.__name__} has no attribute {name!r}"


def _no_entry(module: Module, kind: str, name: str, registered: Mapping[str, object]) -> str:
    return f"{type(module).__name__} has no {kind} {name!r}{_near(name, registered)}"


def _near(name: str, known: Iterable[str]) -> str:
    near = near_names(name, known, limit=3)
    return f"; near: {', '.join(near)}" if near else ""


def _buffer_value(module: Module, name: str, value: Any) -> jax.Array | None:
    if value is None or isinstance(value, jax.Array):
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        return jnp.asarray(value)
    raise TypeError(
        f"buffer {name!r} of {type(module).__name__}: got {type(value).__name__}, expected an "
        "array or None"
    )
