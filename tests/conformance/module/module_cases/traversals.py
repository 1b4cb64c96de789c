"""Walks over a tree and look-ups by dotted path."""

from __future__ import annotations

from typing import Any

from module_cases.case import case
from module_cases.parts import affine, buffered, empty, names, scale, tree


def _shared(lib: Any) -> Any:
    """A tree where a Module and a Parameter of another are reached on two paths."""
    root = empty(lib)
    root.a = affine(lib)
    root.b = root.a
    root.c = empty(lib)
    root.c.inner = root.a
    root.c.weight = root.a.get_parameter("weight")
    return root


@case
def named_parameters_own_first_then_children(lib: Any) -> Any:
    root = tree(lib)
    return [names(root.named_parameters()), [lib.value(p) for p in root.parameters()]]


@case
def named_parameters_with_prefix(lib: Any) -> Any:
    return names(tree(lib).named_parameters(prefix="net"))


@case
def named_parameters_prefix_with_a_dot(lib: Any) -> Any:
    root = tree(lib)
    return [names(root.named_parameters("net.")), names(root.named_buffers("net.sub"))]


@case
def named_parameters_not_recursive(lib: Any) -> Any:
    root = tree(lib)
    return [
        names(root.named_parameters(recurse=False)),
        len(list(root.parameters(recurse=False))),
        names(root.left.named_parameters(prefix="left", recurse=False)),
        len(list(root.left.leaf.buffers(recurse=False))),
    ]


@case
def named_parameters_by_position(lib: Any) -> Any:
    return names(_shared(lib).named_parameters("p", True, False))


@case
def shared_parameters_come_once(lib: Any) -> Any:
    root = _shared(lib)
    return [names(root.named_parameters()), len(list(root.parameters()))]


@case
def shared_parameters_under_all_names(lib: Any) -> Any:
    return names(_shared(lib).named_parameters(remove_duplicate=False))


@case
def named_buffers_of_all_kinds(lib: Any) -> Any:
    root = tree(lib)
    return [
        names(root.named_buffers()),
        names(root.named_buffers(prefix="x", recurse=False)),
        [lib.value(array) for array in root.buffers()],
    ]


@case
def one_array_as_two_buffers(lib: Any) -> Any:
    module = empty(lib)
    array = lib.array([1.0, 2.0])
    module.register_buffer("a", array)
    module.register_buffer("b", array)
    module.register_buffer("c", lib.array([1.0, 2.0]))
    return [
        names(module.named_buffers()),
        names(module.named_buffers(remove_duplicate=False)),
        len(list(module.buffers())),
    ]


@case
def named_modules_parents_first(lib: Any) -> Any:
    root = tree(lib)
    return [
        names(root.named_modules()),
        [type(module).__name__ for module in root.modules()],
        names(root.named_modules(prefix="net")),
    ]


@case
def named_modules_shared(lib: Any) -> Any:
    root = _shared(lib)
    return [
        names(root.named_modules()),
        names(root.named_modules(remove_duplicate=False)),
        len(list(root.modules())),
    ]


@case
def modules_with_duplicates(lib: Any) -> Any:
    root = _shared(lib)
    found = lib.attempt(lambda: [type(m).__name__ for m in root.modules(remove_duplicate=False)])
    return [found, len(list(root.modules()))]


@case(
    differs="memo is how torch hands its memory down its own recursion; the walk here has none",
    ours={"raises": ["TypeError"]},
)
def named_modules_with_a_memo(lib: Any) -> Any:
    root = _shared(lib)
    return lib.attempt(lambda: names(root.named_modules(memo={root.a})))


@case
def named_children_each_module_once(lib: Any) -> Any:
    root = _shared(lib)
    root.none = None
    root.add_module("empty", None)
    return [names(root.named_children()), len(list(root.children()))]


@case
def children_keep_the_place_of_a_replaced_one(lib: Any) -> Any:
    root = tree(lib)
    root.left = scale(lib, 9.0)
    root.third = scale(lib)
    return [names(root.named_children()), names(root.named_parameters())]


@case
def deleted_and_added_child_comes_last(lib: Any) -> Any:
    root = tree(lib)
    left = root.left
    del root.left
    root.left = left
    return [names(root.named_children()), names(root.named_parameters())]


@case
def cycle_of_modules_is_walked_once(lib: Any) -> Any:
    a, b = affine(lib), scale(lib)
    a.other, b.other = b, a
    return [names(a.named_modules()), names(b.named_parameters()), len(list(a.modules()))]


@case
def walks_are_lazy_iterators(lib: Any) -> Any:
    module = affine(lib)
    walk = module.named_parameters()
    first = next(walk)[0]
    return [first, iter(walk) is walk, [name for name, _ in walk], list(walk)]


@case
def get_submodule_by_path(lib: Any) -> Any:
    root = tree(lib)
    return [
        root.get_submodule("") is root,
        root.get_submodule("left") is root.left,
        root.get_submodule("left.leaf") is root.left.leaf,
    ]


@case
def get_submodule_that_is_missing(lib: Any) -> Any:
    root = tree(lib)
    bad = ("middle", "left.middle", "middle.leaf", "top", "left.weight", "left..leaf", ".")
    return {path: lib.attempt(root.get_submodule, path) for path in bad}


@case
def get_submodule_error_names_owner_and_part(lib: Any) -> Any:
    root = tree(lib)
    return lib.error_tells(lambda: root.get_submodule("left.middle"), "Affine", "middle")


@case
def set_submodule_replaces_and_creates(lib: Any) -> Any:
    root = tree(lib)
    root.set_submodule("left.leaf", scale(lib, 5.0))
    root.set_submodule("right.new", affine(lib))
    root.set_submodule("direct", scale(lib, 6.0))
    return [names(root.named_parameters()), root.left.leaf.weight]


@case
def set_submodule_strict(lib: Any) -> Any:
    root = tree(lib)
    new = scale(lib, 5.0)
    return [
        lib.attempt(root.set_submodule, "left.leaf", new, strict=True),
        lib.attempt(root.set_submodule, "left.other", new, strict=True),
        root.left.leaf is new,
        names(root.named_modules()),
    ]


@case
def set_submodule_errors(lib: Any) -> Any:
    root = tree(lib)
    new = scale(lib)
    return {
        "empty path": lib.attempt(root.set_submodule, "", new),
        "no owner": lib.attempt(root.set_submodule, "middle.leaf", new),
        "a parameter": lib.attempt(root.set_submodule, "left.weight", new),
        "a plain value": lib.attempt(root.set_submodule, "training", new),
        "no module": lib.attempt(root.set_submodule, "left", 3),
        "an array": lib.attempt(root.set_submodule, "left", lib.array([1.0])),
    }


@case
def get_parameter_by_path(lib: Any) -> Any:
    root = tree(lib)
    weight = root.get_parameter("left.weight")
    return [
        lib.is_parameter(weight),
        lib.value(weight),
        dict(root.named_parameters())["left.weight"] is weight,
        lib.value(root.get_parameter("top")),
    ]


@case
def get_parameter_errors(lib: Any) -> Any:
    root = tree(lib)
    root.left.register_parameter("nothing", None)
    bad = ("", "none", "left", "left.leaf.mean", "left.none", "middle.weight", "left.nothing")
    return {path: lib.attempt(root.get_parameter, path) for path in bad}


@case
def get_buffer_by_path(lib: Any) -> Any:
    root = tree(lib)
    return [root.get_buffer("left.leaf.mean"), root.get_buffer("left.leaf.cache")]


@case
def get_buffer_errors(lib: Any) -> Any:
    root = tree(lib)
    root.left.plain = lib.array([1.0])
    bad = ("", "none", "left", "left.leaf.weight", "left.plain", "middle.mean")
    return {path: lib.attempt(root.get_buffer, path) for path in bad}


@case
def get_buffer_that_is_none(lib: Any) -> Any:
    module = buffered(lib)
    module.mean = None
    return lib.attempt(module.get_buffer, "mean")


@case
def attribute_path_reaches_what_get_submodule_does(lib: Any) -> Any:
    root = empty(lib)
    root.add_module("0", affine(lib))
    root.add_module("keys", scale(lib))
    return [
        getattr(root, "0") is root.get_submodule("0"),
        names(root.named_parameters()),
        root.get_parameter("0.bias") is dict(root.named_parameters())["0.bias"],
    ]
