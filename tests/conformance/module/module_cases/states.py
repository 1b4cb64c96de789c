"""state_dict and load_state_dict."""

from __future__ import annotations

from typing import Any

from module_cases.case import case
from module_cases.parts import affine, buffered, empty, names, scale, tree


def _tied(lib: Any) -> Any:
    root = empty(lib)
    root.a, root.b = affine(lib), empty(lib)
    root.b.weight = root.a.get_parameter("weight")
    return root


def _with_extra(lib: Any) -> Any:
    class Extra(lib.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps = 3
            self.inner = scale(lib)
            self.weight = lib.Parameter([1.0])
            self.register_buffer("mean", lib.array([2.0]))

        def get_extra_state(self) -> Any:
            return {"steps": self.steps}

        def set_extra_state(self, state: Any) -> None:
            self.steps = state["steps"]

    return Extra()


@case
def order_of_state_dict(lib: Any) -> Any:
    return {key: lib.value(entry) for key, entry in tree(lib).state_dict().items()}


@case
def state_dict_with_prefix(lib: Any) -> Any:
    return [list(tree(lib).state_dict(prefix="net.")), list(scale(lib).state_dict(prefix="net"))]


@case
def metadata_has_versions_by_path(lib: Any) -> Any:
    root = tree(lib)
    type(root.right)._version = 5
    del root.left.leaf
    metadata = root.state_dict()._metadata
    return {path: entry.get("version") for path, entry in metadata.items()}


@case
def metadata_with_prefix(lib: Any) -> Any:
    root = tree(lib)
    return list(root.state_dict(prefix="net.")._metadata)


@case
def version_of_a_subclass(lib: Any) -> Any:
    class Old(lib.Module):
        pass

    class New(Old):
        _version = 3

    state = New().state_dict()
    return [state._metadata[""].get("version"), lib.Module._version, Old._version]


@case
def none_entries_are_left_out(lib: Any) -> Any:
    module = buffered(lib)
    module.register_parameter("nothing", None)
    module.register_buffer("none", None)
    module.add_module("part", None)
    return list(module.state_dict())


@case
def shared_entries_stand_under_each_name(lib: Any) -> Any:
    root = _tied(lib)
    root.c = root.a
    state = root.state_dict()
    return [list(state), lib.value(state["b.weight"])]


@case
def extra_state_comes_before_children(lib: Any) -> Any:
    state = _with_extra(lib).state_dict()
    return [list(state), state["_extra_state"]]


@case
def extra_state_is_loaded(lib: Any) -> Any:
    root = empty(lib)
    root.part = _with_extra(lib)
    state = root.state_dict()
    state["part._extra_state"] = {"steps": 8}
    result = root.load_state_dict(state)
    return [result, root.part.steps]


@case
def extra_state_that_is_missing(lib: Any) -> Any:
    module = _with_extra(lib)
    state = module.state_dict()
    del state["_extra_state"]
    strict = lib.attempt(module.load_state_dict, state)
    return [strict, module.load_state_dict(state, strict=False), module.steps]


@case
def extra_state_that_nobody_wants(lib: Any) -> Any:
    module = affine(lib)
    state = module.state_dict()
    state["_extra_state"] = {"steps": 1}
    strict = lib.attempt(module.load_state_dict, state)
    return [strict, module.load_state_dict(state, strict=False)]


@case
def extra_state_methods_by_default(lib: Any) -> Any:
    module = affine(lib)
    return [lib.attempt(module.get_extra_state), lib.attempt(module.set_extra_state, {})]


@case
def entries_are_arrays_and_with_keep_vars_parameters(lib: Any) -> Any:
    module = buffered(lib)
    plain, kept = module.state_dict(), module.state_dict(keep_vars=True)
    return [
        {key: lib.is_parameter(entry) for key, entry in plain.items()},
        {key: lib.is_parameter(entry) for key, entry in kept.items()},
        kept["weight"] is module.get_parameter("weight"),
        kept["mean"] is module.mean,
    ]


@case
def destination_is_filled_and_returned(lib: Any) -> Any:
    first = affine(lib).state_dict(prefix="a.")
    same = scale(lib).state_dict(destination=first, prefix="b.") is first
    return [same, list(first), list(first._metadata)]


@case
def destination_may_be_a_plain_dict(lib: Any) -> Any:
    found: dict[str, Any] = {"there": 1}
    same = lib.attempt(lambda: scale(lib).state_dict(destination=found) is found)
    return [same, list(found)]


@case(
    differs="the positional form is one that torch keeps for old callers and warns of",
    ours=[{"raises": ["TypeError"]}, []],
)
def arguments_by_position(lib: Any) -> Any:
    found: dict[str, Any] = {}
    return [lib.attempt(lambda: list(scale(lib).state_dict(found, "x."))), list(found)]


@case(
    differs="arrays of JAX do not change: a state_dict is a snapshot, torch's shares its storage",
    ours=[2.0, 5.0],
)
def later_changes_show_in_a_state_dict(lib: Any) -> Any:
    module = scale(lib)
    state = module.state_dict()
    lib.set_value(module.get_parameter("weight"), 5.0)
    return [lib.value(state["weight"]), module.weight]


@case
def round_trip_between_two_modules(lib: Any) -> Any:
    source, target = tree(lib), tree(lib)
    for index, parameter in enumerate(source.parameters()):
        lib.set_value(parameter, [index + 0.5 for _ in lib.value(parameter)] if index < 4 else 9.5)
    source.left.leaf.mean = lib.array([-1.0, -2.0])
    result = target.load_state_dict(source.state_dict())
    return [result, {key: lib.value(entry) for key, entry in target.state_dict().items()}]


@case
def result_of_a_good_load(lib: Any) -> Any:
    module = affine(lib)
    result = module.load_state_dict(module.state_dict())
    return [result.missing_keys, result.unexpected_keys, repr(result), isinstance(result, tuple)]


@case
def result_of_a_partial_load(lib: Any) -> Any:
    root = tree(lib)
    state = root.state_dict()
    del state["left.weight"], state["right.weight"]
    state["new"], state["left.leaf.extra"] = lib.array([1.0]), lib.array([2.0])
    result = root.load_state_dict(state, strict=False)
    return [result.missing_keys, result.unexpected_keys]


@case
def strict_load_raises_for_missing_and_unexpected(lib: Any) -> Any:
    found = []
    for name, change in (
        ("missing", lambda state: state.pop("left.weight")),
        ("unexpected", lambda state: state.update(other=lib.array([1.0]))),
    ):
        root = tree(lib)
        state = root.state_dict()
        change(state)
        found.append([name, lib.attempt(root.load_state_dict, state)])
    return found


@case
def one_error_tells_everything(lib: Any) -> Any:
    root = tree(lib)
    state = root.state_dict()
    del state["left.weight"], state["top"]
    state["other"] = lib.array([1.0])
    state["left.leaf.mean"] = lib.array([1.0, 2.0, 3.0])
    words = ("left.weight", "top", "other", "left.leaf.mean", "right.weight")
    return lib.error_tells(lambda: root.load_state_dict(state), *words)


@case
def shape_mismatch_raises_also_when_not_strict(lib: Any) -> Any:
    module = affine(lib)
    state = module.state_dict()
    state["weight"] = lib.array([1.0, 2.0, 3.0])
    return [
        lib.attempt(module.load_state_dict, state),
        lib.attempt(module.load_state_dict, state, strict=False),
        lib.attempt(module.load_state_dict, state, strict=False, assign=True),
        lib.error_tells(lambda: module.load_state_dict(state, strict=False), "weight", "3", "2"),
    ]


@case
def shape_mismatch_of_a_buffer_raises(lib: Any) -> Any:
    module = buffered(lib)
    state = module.state_dict()
    state["mean"] = lib.array(1.0)
    return [lib.attempt(module.load_state_dict, state, strict=False), module.mean]


@case
def scalar_takes_an_array_of_one(lib: Any) -> Any:
    module = scale(lib)
    result = lib.attempt(module.load_state_dict, {"weight": lib.array([5.0])})
    return [result, module.weight]


@case
def array_of_one_takes_no_scalar(lib: Any) -> Any:
    module = scale(lib, [2.0])
    return [lib.attempt(module.load_state_dict, {"weight": lib.array(5.0)}), module.weight]


@case(
    differs="torch loads what fits before it raises; gradion checks all first and changes nothing",
    ours=[{"raises": ["RuntimeError"]}, [1.0, 2.0], [0.5, -0.5]],
)
def failed_load_leaves_values(lib: Any) -> Any:
    module = affine(lib)
    state = {"weight": lib.array([8.0, 9.0]), "bias": lib.array([1.0, 2.0, 3.0])}
    return [lib.attempt(module.load_state_dict, state), module.weight, module.bias]


@case
def load_keeps_parameter_objects_and_dtype(lib: Any) -> Any:
    module = affine(lib).float()
    weight = module.get_parameter("weight")
    module.load_state_dict({"weight": lib.array([3.0, 4.0]), "bias": lib.array([5.0, 6.0])})
    return [module.get_parameter("weight") is weight, lib.dtype(weight), module.weight]


@case
def load_into_shared_parameters(lib: Any) -> Any:
    root = _tied(lib)
    state = root.state_dict()
    state["a.weight"] = state["b.weight"] = lib.array([5.0, 6.0])
    root.load_state_dict(state)
    shared = root.get_parameter("b.weight") is root.get_parameter("a.weight")
    return [shared, root.b.weight, names(root.named_parameters())]


@case
def buffer_that_is_not_persistent_is_unexpected(lib: Any) -> Any:
    module = buffered(lib)
    state = module.state_dict()
    state["cache"] = lib.array([1.0])
    return [lib.attempt(module.load_state_dict, state), module.load_state_dict(state, strict=False)]


@case
def place_without_an_entry_is_unexpected(lib: Any) -> Any:
    module = buffered(lib)
    state = module.state_dict()
    module.mean = None
    return [lib.attempt(module.load_state_dict, state), module.load_state_dict(state, strict=False)]


@case
def integer_buffer_is_loaded(lib: Any) -> Any:
    module = buffered(lib)
    state = module.state_dict()
    state["count"] = lib.array(8, lib.int64)
    module.load_state_dict(state)
    return [module.count, lib.dtype(module.count)]


@case
def assign_takes_the_dtype(lib: Any) -> Any:
    module = buffered(lib)
    state = {
        "weight": lib.array([5.0], lib.float32),
        "mean": lib.array([6.0, 7.0], lib.float32),
        "count": lib.array(8, lib.int32),
    }
    module.load_state_dict(state, assign=True)
    entries = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {key: [lib.dtype(entry), lib.value(entry)] for key, entry in entries.items()}


@case
def assign_takes_parameter_objects(lib: Any) -> Any:
    source, target = affine(lib, (7.0, 8.0)), affine(lib)
    target.load_state_dict(source.state_dict(keep_vars=True), assign=True)
    lib.set_value(source.get_parameter("weight"), [9.0, 9.0])
    return [target.get_parameter("weight") is source.get_parameter("weight"), target.weight]


@case
def assign_keeps_trainability(lib: Any) -> Any:
    module = affine(lib).requires_grad_(False)
    module.load_state_dict(affine(lib, (7.0, 8.0)).state_dict(), assign=True)
    return [lib.trainable(p) for p in module.parameters()]


@case
def load_what_is_no_mapping_raises(lib: Any) -> Any:
    module = affine(lib)
    return [lib.attempt(module.load_state_dict, value) for value in ([1.0], "x", None)]


@case
def load_an_entry_that_is_no_array_raises(lib: Any) -> Any:
    module = affine(lib)
    state = {**module.state_dict(), "weight": "x"}
    return [lib.attempt(module.load_state_dict, state, strict=False), module.weight]


@case
def load_leaves_the_mapping_alone(lib: Any) -> Any:
    root = tree(lib)
    state = dict(root.state_dict())
    state["other"] = lib.array([1.0])
    keys = list(state)
    root.load_state_dict(state, strict=False)
    return [list(state) == keys, lib.value(state["top"])]


@case
def load_a_plain_dict_without_metadata(lib: Any) -> Any:
    root = tree(lib)
    state = {key: entry * 2 for key, entry in root.state_dict().items()}
    root.load_state_dict(state)
    return {key: lib.value(entry) for key, entry in root.state_dict().items()}


@case
def whole_child_is_missing_or_unexpected(lib: Any) -> Any:
    root, other = tree(lib), tree(lib)
    del other.left
    other.middle = affine(lib)
    return root.load_state_dict(other.state_dict(), strict=False)


@case
def keys_that_only_start_alike(lib: Any) -> Any:
    root = empty(lib)
    root.a, root.ab = scale(lib), scale(lib, 3.0)
    state = root.state_dict()
    del state["a.weight"]
    state["abc.weight"], state["a"] = lib.array(1.0), lib.array(2.0)
    return root.load_state_dict(state, strict=False)


@case
def state_dict_of_eval_and_train_are_alike(lib: Any) -> Any:
    root = tree(lib)
    before = list(root.state_dict())
    root.eval()
    root.load_state_dict(root.state_dict())
    return [list(root.state_dict()) == before, root.training]
