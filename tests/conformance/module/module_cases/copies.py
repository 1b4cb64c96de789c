"""Copies, serialised handles, text."""

from __future__ import annotations

import copy
import pickle
from typing import Any

from module_cases.case import case
from module_cases.parts import affine, buffered, empty, names, scale, tree


def _tied(lib: Any) -> Any:
    root = empty(lib)
    root.a, root.b = affine(lib), empty(lib)
    root.b.weight = root.a.get_parameter("weight")
    root.b.part = root.a
    return root


@case
def deepcopy_is_independent(lib: Any) -> Any:
    root = tree(lib)
    copied = copy.deepcopy(root)
    lib.set_value(copied.get_parameter("left.weight"), [9.0, 9.0])
    copied.left.leaf.mean = lib.array([0.0])
    copied.new = scale(lib)
    return [root.left.weight, root.left.leaf.mean, names(root.named_children())]


@case
def deepcopy_keeps_names_values_and_types(lib: Any) -> Any:
    root = tree(lib)
    copied = copy.deepcopy(root)
    return [
        type(copied) is type(root),
        {key: lib.value(entry) for key, entry in copied.state_dict().items()},
        names(copied.named_buffers()),
    ]


@case
def deepcopy_keeps_sharing(lib: Any) -> Any:
    copied = copy.deepcopy(_tied(lib))
    lib.set_value(copied.get_parameter("a.weight"), [9.0, 8.0])
    return [names(copied.named_parameters()), copied.b.weight, copied.b.part is copied.a]


@case
def deepcopy_keeps_modes_and_trainability(lib: Any) -> Any:
    root = tree(lib)
    root.left.eval().requires_grad_(False)
    copied = copy.deepcopy(root)
    return [
        {name: module.training for name, module in copied.named_modules()},
        {name: lib.trainable(p) for name, p in copied.named_parameters()},
    ]


@case
def deepcopy_keeps_hooks(lib: Any) -> Any:
    module, log = scale(lib), []
    handle = module.register_forward_hook(lambda m, args, output: log.append(m is module))
    copied = copy.deepcopy(module)
    handle.remove()
    module(lib.array([1.0]))
    copied(lib.array([1.0]))
    return log


@case
def deepcopy_of_two_together_keeps_sharing(lib: Any) -> Any:
    a, b = scale(lib), empty(lib)
    b.weight = a.get_parameter("weight")
    c, d = copy.deepcopy([a, b])
    return [c.get_parameter("weight") is d.get_parameter("weight"), c.weight]


@case
def deepcopy_of_plain_attributes(lib: Any) -> Any:
    module = empty(lib)
    module.table, module.size = lib.array([1.0, 2.0]), 3
    copied = copy.deepcopy(module)
    module.table = lib.array([5.0])
    return [copied.table, copied.size, list(copied.state_dict())]


@case
def deepcopy_keeps_grad(lib: Any) -> Any:
    module = scale(lib)
    lib.backward(lambda m, x: m(x).sum(), module, lib.array([1.0, 2.0]))
    copied = copy.deepcopy(module)
    module.zero_grad()
    return lib.plain(copied.get_parameter("weight").grad)


@case
def shallow_copy_shares_parameters(lib: Any) -> Any:
    root = tree(lib)
    copied = copy.copy(root)
    lib.set_value(copied.get_parameter("top"), [9.0, 9.0])
    return [copied.left is root.left, root.top, copied is root]


@case(
    differs="in torch a shallow copy shares its registries, so what it gets the original has too",
    ours=[["weight"], True, False],
)
def shallow_copy_has_its_own_names(lib: Any) -> Any:
    module = buffered(lib)
    copied = copy.copy(module)
    copied.rate = 0.5
    copied.other = lib.Parameter([1.0])
    del copied.mean
    return [names(module.named_parameters()), hasattr(module, "mean"), hasattr(module, "rate")]


@case
def parameter_deepcopy(lib: Any) -> Any:
    parameter = lib.Parameter([1.0, 2.0], trainable=False)
    copied = copy.deepcopy(parameter)
    lib.set_value(copied, [5.0, 6.0])
    return [lib.value(parameter), lib.trainable(copied), lib.is_parameter(copied)]


@case
def state_survives_getstate_and_setstate(lib: Any) -> Any:
    module = buffered(lib)
    made = type(module).__new__(type(module))
    made.__setstate__(module.__getstate__())
    return [names(made.named_parameters()), names(made.named_buffers()), list(made.state_dict())]


@case
def extra_repr_shows_in_repr(lib: Any) -> Any:
    class Sized(lib.Module):
        def extra_repr(self) -> str:
            return "size=42"

    root = empty(lib)
    root.part = Sized()
    return ["size=42" in repr(root.part), "size=42" in repr(root), lib.Module().extra_repr()]


@case
def repr_names_classes_and_children(lib: Any) -> Any:
    text = repr(tree(lib))
    return [word in text for word in ("Empty", "left", "Affine", "leaf", "Buffered", "right")]


@case
def repr_of_a_list_folds_equal_parts(lib: Any) -> Any:
    many = lib.ModuleList([lib.Linear(2, 3) for _ in range(20)])
    return [repr(many).count("Linear") < 20, "Linear" in repr(many)]


@case
def modules_compare_by_identity(lib: Any) -> Any:
    a, b = scale(lib), scale(lib)
    return [a == b, a == a, len({a, b, a}), copy.copy(a) == a]


@case
def pickle_round_trip(lib: Any) -> Any:
    shared = lib.Parameter([7.0])
    root = lib.ModuleDict({"a": lib.Sequential(), "b": lib.ParameterList([shared, shared])})
    root.eval()
    made = pickle.loads(pickle.dumps(root))
    same = lib.entry(made["b"], 0) is lib.entry(made["b"], 1)
    return [list(made.state_dict()), names(made.named_parameters()), same, made.a.training]


@case
def pickle_of_a_parameter(lib: Any) -> Any:
    made = pickle.loads(pickle.dumps(lib.Parameter([1.0, 2.0], trainable=False)))
    return [lib.value(made), lib.trainable(made)]
