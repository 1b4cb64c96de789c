# long: one class, the public face of every model; what its methods do stands in files of its own
"""The one base of every model, physical or learned."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from gradion.foundation.compat.trace_scope import current_scope
from gradion.foundation.errors import InputError, near_names
from gradion.module import casting, editing, parametrized, report, structure, traversal
from gradion.module.buffer import Buffer
from gradion.module.change_counter import CHANGES
from gradion.module.hooks.call import call_hooked
from gradion.module.hooks.handle import RemovableHandle
from gradion.module.hooks.registration import registered
from gradion.module.hooks.registry import GLOBAL_HOOKS, HookEntry, HookRegistry
from gradion.module.parameter import Parameter, strong
from gradion.module.scope import require_writable
from gradion.module.state import state_dict as state_dicts
from gradion.module.state.state_dict import LoadResult
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
    torch.nn.Module (PyTorch 2.13) but for that reading; docs/reference/module-conformance.md
    has a row for each of its methods.

    Every Module is a JAX pytree. Its leaves are each distinct Parameter once, then buffers,
    then arrays assigned to other attributes; everything else is static and must be hashable
    (TypeError on first use by JAX, naming class and attribute). A Parameter that two Modules
    share is one leaf and stays shared. To JAX the whole tree below a Module is one flat node.

    Within a transformation a Module is a copy around tracers. Those of gradion (`gradion.jit`,
    `grad`, `vmap`, ...) carry what is written there back to the Module that was passed; inside
    those of JAX, and on a Module that was only captured, a write raises TransformError.
    """

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, jax.Array | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers: set[str]
    _array_names: frozenset[str]
    _hooks: HookRegistry | None
    _plan: structure.Plan | None
    _scope: Any
    _stamp: int
    training: bool

    # Version of the layout of a class's state, written by state_dict; a subclass sets its own.
    _version: int = 1

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
        state["_hooks"] = None
        state["_scope"] = current_scope()
        state["_stamp"] = 0
        state["_plan"] = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call `forward`, and the hooks around it; NotImplementedError if there is no forward."""
        if self._hooks is None and not GLOBAL_HOOKS.watched:
            return self.forward(*args, **kwargs)
        return call_hooked(self, args, kwargs)

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
            if parametrized.is_parametrized(self, name):
                return parametrized.value_of(self, name)
        # Python itself adds near names to a traceback, from name and obj: looking for them here
        # would slow down every hasattr.
        raise AttributeError(_missing(self, name), name=name, obj=self)

    def __setattr__(self, name: str, value: Any) -> None:
        state = self.__dict__
        self._require_writable(name)
        if isinstance(value, Parameter):
            self._require_init("parameters")
            self._forget(name, "_buffers", "_modules")
            self.register_parameter(name, value)
        elif name in state.get("_parameters", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign {_kind(value)} to Parameter {name!r} of "
                    f"{type(self).__name__}; set .get_parameter({name!r}).value, use "
                    "set_parameters, or assign a Parameter or None; to share one assign "
                    "other.get_parameter(its name)"
                )
            self.register_parameter(name, None)
        elif isinstance(value, Module):
            self._require_init("modules")
            self._forget(name, "_buffers")
            self._put_module(name, value)
        elif name in state.get("_modules", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign {type(value).__name__} to Module {name!r} of "
                    f"{type(self).__name__}; expected a Module or None"
                )
            self._put_module(name, None)
        elif isinstance(value, Buffer):
            self._require_init("buffers")
            self._forget(name)
            self.register_buffer(name, value.array, value.persistent)
        elif name in state.get("_buffers", ()):
            # No change of structure: a buffer is a slot, whatever array or None is in it.
            array = _buffer_value(self, name, value)
            if GLOBAL_HOOKS.buffer_registration:
                array = registered(GLOBAL_HOOKS.buffer_registration, self, name, array)
            state["_buffers"][name] = array
        elif "_modules" in state and parametrized.is_parametrized(self, name):
            parametrized.assign(self, name, value)
        else:
            self._set_plain(name, value)

    def __delattr__(self, name: str) -> None:
        state = self.__dict__
        self._require_writable(name)
        for store in ("_parameters", "_buffers", "_modules"):
            if name in state.get(store, ()):
                del state[store][name]
                state["_non_persistent_buffers"].discard(name)
                self._changed()
                return
        if name not in state:
            raise AttributeError(_missing(self, name), name=name, obj=self)
        object.__delattr__(self, name)
        self._note_plain(name, array=False)

    def __dir__(self) -> list[str]:
        """Attributes and registered names; numbers, as in a ModuleList, are left out."""
        names = set(super().__dir__())
        for store in ("_parameters", "_buffers", "_modules"):
            names.update(self.__dict__.get(store, ()))
        if "_modules" in self.__dict__:
            names.update(parametrized.names(self))
        return sorted(name for name in names if not name[:1].isdigit())

    def __getstate__(self) -> dict[str, Any]:
        """State for copy.copy and copy.deepcopy; a copy shares no storage with its original."""
        state = dict(self.__dict__)
        for store in ("_parameters", "_buffers", "_modules"):
            state[store] = dict(state[store])
        state["_non_persistent_buffers"] = set(state["_non_persistent_buffers"])
        state["_plan"] = None
        state["_scope"] = None
        hooks = state["_hooks"]
        state["_hooks"] = None if hooks is None else hooks.entries()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # The copy is made here, whatever transformation the original was made in.
        self.__dict__["_scope"] = current_scope()
        if state["_hooks"] is not None:
            self.__dict__["_hooks"] = HookRegistry(self).filled(state["_hooks"])

    def _require_init(self, what: str) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(
                f"{type(self).__name__}: cannot assign {what} before super().__init__()"
            )

    def _require_writable(self, name: str) -> None:
        scope = self.__dict__.get("_scope")
        if scope is not None:  # None: before super().__init__()
            require_writable(scope, f"{type(self).__name__}.{name}")

    def _changed(self) -> None:
        """Mark a change of structure."""
        self.__dict__["_stamp"] += 1
        CHANGES.note()

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
                "Parameters would hide them from JAX; use a ModuleList, a ModuleDict, a "
                "ParameterList, a ParameterDict or attributes"
            )
        known_array = name in self.__dict__.get("_array_names", ())
        object.__setattr__(self, name, value)
        array = is_array(value)
        if not (array and known_array):
            self._note_plain(name, array=array)

    def _note_plain(self, name: str, *, array: bool) -> None:
        """Keep the names of plain attributes that are leaves, and mark a change of structure."""
        state = self.__dict__
        if "_stamp" not in state:
            return  # before super().__init__(), which looks for arrays itself
        names = state["_array_names"]
        if array or name in names:
            state["_array_names"] = names | {name} if array else names - {name}
        self._changed()

    # -- registration ------------------------------------------------------------------------

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Register a Parameter, or None as a place for one.

        Raises KeyError for a name that is empty, dotted or taken by something else, TypeError
        for what is no Parameter, AttributeError before `super().__init__()`.
        """
        self._require_init("parameters")
        self._require_writable(name)
        self._check_name("parameter", name, self._parameters)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"register_parameter({name!r}): got {type(param).__name__}, expected a "
                "Parameter or None"
            )
        if GLOBAL_HOOKS.parameter_registration and param is not None:
            param = registered(GLOBAL_HOOKS.parameter_registration, self, name, param)
        self._parameters[name] = param
        self._changed()

    def register_buffer(
        self, name: str, array: jax.Array | np.ndarray | None, persistent: bool = True
    ) -> None:
        """Register an array that is state but no Parameter; numpy arrays become JAX arrays.

        A buffer that is not `persistent` is left out of `state_dict`. Raises as
        `register_parameter` does.
        """
        self._require_init("buffers")
        self._require_writable(name)
        self._check_name("buffer", name, self._buffers)
        value = _buffer_value(self, name, array)
        if GLOBAL_HOOKS.buffer_registration:
            value = registered(GLOBAL_HOOKS.buffer_registration, self, name, value)
        self._buffers[name] = value
        if persistent:
            self._non_persistent_buffers.discard(name)
        else:
            self._non_persistent_buffers.add(name)
        self._changed()

    def register_module(self, name: str, module: Module | None) -> None:
        """Register a child Module, or None as a place for one. Raises as `register_parameter`."""
        self._require_init("modules")
        self._require_writable(name)
        self._check_name("module", name, self._modules)
        if module is not None and not isinstance(module, Module):
            raise TypeError(
                f"register_module({name!r}): got {type(module).__name__}, expected a Module or None"
            )
        self._put_module(name, module)

    def add_module(self, name: str, module: Module | None) -> None:
        """As `register_module`."""
        self.register_module(name, module)

    def _put_module(self, name: str, module: Module | None) -> None:
        if GLOBAL_HOOKS.module_registration:
            module = registered(GLOBAL_HOOKS.module_registration, self, name, module)
        self._modules[name] = module
        self._changed()

    def _check_name(self, kind: str, name: str, known: Mapping[str, object]) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{kind} name: got {type(name).__name__}, expected text")
        if not name:
            raise KeyError(f"{kind} name: got an empty name")
        if "." in name:
            raise KeyError(f"{kind} name {name!r} has a dot, which parts names in a path")
        if name not in known and hasattr(self, name):
            raise KeyError(
                f"{kind} name {name!r}: {type(self).__name__} has that attribute already"
            )

    # -- hooks -------------------------------------------------------------------------------

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Run `hook(module, args)` before `forward`; it may return new args.

        A value that is no tuple counts as a tuple of one. With `with_kwargs` the hook is called
        as `hook(module, args, kwargs)` and may return `(args, kwargs)`. `prepend` puts it before
        the hooks that are there. Hooks of all Modules run before those of one.
        """
        entry = HookEntry(hook, with_kwargs=with_kwargs)
        return RemovableHandle(self._own_hooks().forward_pre, entry, prepend=prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Run `hook(module, args, output)` after `forward`; it may return a new output.

        With `with_kwargs` it is called as `hook(module, args, kwargs, output)`. With
        `always_call` it also runs when something before it raised, with the output so far or
        None. `prepend` puts it before the hooks that are there.
        """
        entry = HookEntry(hook, with_kwargs=with_kwargs, always_call=always_call)
        return RemovableHandle(self._own_hooks().forward, entry, prepend=prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Run `hook(module, grad_output)` in reverse mode; it may return a new grad_output.

        `grad_output` is a tuple with the gradient for each leaf of the output, None for leaves
        that have none (whole numbers). While such a hook is registered forward-mode derivatives
        through the Module raise.
        """
        return RemovableHandle(self._own_hooks().backward_pre, HookEntry(hook), prepend=prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Run `hook(module, grad_input, grad_output)` in reverse mode.

        `grad_input` is a tuple with an entry for each positional argument: its gradient if it is
        an array of floating or complex dtype (zeros if it has none beside one that has), else
        None; all are None if no derivative is taken with respect to an input. The hook may
        return another such tuple in its place. In the backward pass `module` may be a stand-in
        without arrays, if it was a copy that is gone. While such a hook is registered
        forward-mode derivatives through the Module raise.
        """
        return RemovableHandle(self._own_hooks().backward, HookEntry(hook), prepend=prepend)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Run `hook(module, prefix, keep_vars)` before this Module's part of `state_dict`."""
        return RemovableHandle(self._own_hooks().state_dict_pre, HookEntry(hook))

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Run `hook(module, state_dict, prefix, local_metadata)` after this Module's part of it.

        The hook changes `state_dict` in place; what it returns must be None.
        """
        return RemovableHandle(self._own_hooks().state_dict_post, HookEntry(hook))

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Run a hook before this Module's part of `load_state_dict`.

        It is called as `hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)` and may change `state_dict` (a copy of what was given) and
        the lists in place: this is where a class brings an older version of its state up to
        date, by `local_metadata.get("version")`.
        """
        return RemovableHandle(self._own_hooks().load_pre, HookEntry(hook))

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Run `hook(module, incompatible_keys)` after this Module and all below it have loaded.

        The hook may change the lists `missing_keys` and `unexpected_keys` in place, before a
        strict load raises for what is left in them; what it returns must be None.
        """
        return RemovableHandle(self._own_hooks().load_post, HookEntry(hook))

    def _own_hooks(self) -> HookRegistry:
        self._require_init("hooks")
        self._require_writable("register_..._hook")
        hooks = self._hooks
        if hooks is None:
            hooks = self.__dict__["_hooks"] = HookRegistry(self)
        return hooks

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

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a Module at a dotted path, whose owner must exist.

        With `strict` there must be a Module at that path already (AttributeError if not).
        Raises ValueError for an empty path and for what is no Module, AttributeError for an
        owner that is missing.
        """
        if not target:
            raise InputError("set_submodule: got an empty path")
        if not isinstance(module, Module):
            raise InputError(
                f"set_submodule({target!r}): got {type(module).__name__}, expected a Module"
            )
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if strict and owner._modules.get(name) is None:
            raise AttributeError(_no_entry(owner, "Module", name, owner._modules))
        if name not in owner._modules and hasattr(owner, name):
            raise AttributeError(f"{type(owner).__name__}.{name} is no Module")
        setattr(owner, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The Parameter with a dotted name. AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        parameter = owner._parameters.get(name)
        if parameter is None:
            raise AttributeError(_no_entry(owner, "Parameter", name, owner._parameters))
        return parameter

    def get_buffer(self, target: str) -> jax.Array | None:
        """The buffer with a dotted name, None where it is None. AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if name not in owner._buffers:
            raise AttributeError(_no_entry(owner, "buffer", name, owner._buffers))
        return owner._buffers[name]

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

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This Module and all below it, each once, or once a path."""
        return (module for _, module in self.named_modules(remove_duplicate=remove_duplicate))

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

    # open: a class may keep part of itself in one mode
    def train(self, mode: bool = True) -> Self:
        """Set `training` here and below; returns this Module. ValueError for what is no bool."""
        if not isinstance(mode, bool):
            raise InputError(f"train: got {mode!r}, expected a bool")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Self:
        """As `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set whether all Parameters are trainable, here and below; returns this Module."""
        for parameter in self.parameters():
            parameter.trainable = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear `grad` of all Parameters, or with `set_to_none=False` set those there to zero."""
        for parameter in self.parameters():
            if parameter.grad is not None:
                parameter.grad = None if set_to_none else jnp.zeros_like(parameter.grad)

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` with each Module, children before their parent; returns this Module."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def to(self, *targets: Any, dtype: DTypeLike | None = None, device: Any = None) -> Self:
        """Convert or move all Parameters and buffers in place; returns this Module.

        `targets`: a floating dtype, for what has a floating dtype (TypeError for another dtype);
        a `jax.Device` or a `jax.sharding.Sharding`; an array, whose dtype and device are meant;
        at most one dtype and one place, which may also be given by name. Parameter objects stay.
        """
        casting.to(self, (*targets, dtype, device))
        return self

    def type(self, dst_type: DTypeLike) -> Self:
        """Convert Parameters and buffers of any dtype in place; returns this Module."""
        casting.cast_all(self, dst_type)
        return self

    def half(self) -> Self:
        """As `to(jnp.float16)`."""
        return self.to(jnp.float16)

    def bfloat16(self) -> Self:
        """As `to(jnp.bfloat16)`."""
        return self.to(jnp.bfloat16)

    def float(self) -> Self:
        """As `to(jnp.float32)`."""
        return self.to(jnp.float32)

    def double(self) -> Self:
        """As `to(jnp.float64)`."""
        return self.to(jnp.float64)

    def cpu(self) -> Self:
        """Move all Parameters and buffers to the first CPU device; returns this Module."""
        return self.to(jax.devices("cpu")[0])

    def cuda(self, device: int = 0) -> Self:
        """Move all Parameters and buffers to a GPU; DeviceError if there is none of that number."""
        return self.to(casting.cuda_device(device))

    def parameter_values(self, *, trainable_only: bool = True) -> dict[str, jax.Array]:
        """Values of the (trainable) Parameters by dotted name, a shared one once.

        What `gradion.grad` returns for a Module has the same names and order.
        """
        return editing.parameter_values(self, trainable_only=trainable_only)

    def set_parameters(self, values: Mapping[str, Any]) -> None:
        """Set the named Parameters in place; keys, values and errors as in `with_parameters`.

        Nothing is changed where something is wrong.
        """
        editing.set_parameters(self, values)

    def with_parameters(self, values: Mapping[str, Any]) -> Self:
        """A copy with new values for the named Parameters; works under JAX transformations.

        Keys are dotted names; values keep shape and dtype (see `Parameter.value`) but are not
        compared with bounds, so that traced and concrete calls do the same. A shared Parameter
        stays shared. The rest of the copy holds the same arrays. Raises InputError for an
        unknown name, with near names, for a shape that differs, and for a shared Parameter
        given two values.
        """
        return editing.with_parameters(self, values)

    # -- state -------------------------------------------------------------------------------

    def state_dict(
        self,
        *,
        destination: dict[str, Any] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> dict[str, Any]:
        """State by dotted name: own Parameters, persistent buffers, extra state, then children.

        A shared Parameter stands under each of its names. The dict's attribute `_metadata` maps
        each Module's path to `{"version": class._version}`, and where it has Parameters, to their
        descriptions under "parameters". With `keep_vars` the dict holds Parameter objects in the
        place of their arrays. `destination`: a dict to fill, which is returned.
        """
        return state_dicts.state_dict(self, destination, prefix, keep_vars=keep_vars)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> LoadResult:
        """Set Parameters, buffers and extra state in place, by dotted name.

        Parameter objects stay; values are converted to the dtype they have, or with `assign`
        they keep the dtype (and are not copied) that they have in `state_dict`. Raises one
        StateDictError (an InputError and a RuntimeError) that tells all missing and unexpected
        names (only if `strict`) and all entries that do not fit in shape, kind or bounds
        (always); nothing is changed then.

        What `state_dict` has given also sets bounds, prior and source, in the Module's units;
        whether a Parameter is trainable stays. A plain dict leaves descriptions as they are.
        """
        return state_dicts.load_state_dict(self, state_dict, strict=strict, assign=assign)

    # open: a class with state that is no array says here what to save
    def get_extra_state(self) -> Any:
        """State beyond Parameters and buffers, for `state_dict`: arrays and what JSON can hold.

        A class that has some defines this and `set_extra_state`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no extra state")

    # open: as get_extra_state
    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` gave; called by `load_state_dict`."""
        raise NotImplementedError(f"{type(self).__name__} has no extra state")

    # -- text --------------------------------------------------------------------------------

    # open: only a class knows what else to show
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


def _kind(value: Any) -> str:
    return "an array" if is_array(value) else type(value).__name__


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
    if value is None:
        return None
    if isinstance(value, jax.Array):
        return strong(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return jnp.asarray(value)
    raise TypeError(
        f"buffer {name!r} of {type(module).__name__}: got {type(value).__name__}, expected an "
        "array or None"
    )
