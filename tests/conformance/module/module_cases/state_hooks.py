"""Hooks around state_dict and load_state_dict."""

from __future__ import annotations

from typing import Any

from module_cases.case import case
from module_cases.parts import affine, empty, scale, tree


def _pair(lib: Any) -> Any:
    root = empty(lib)
    root.a, root.b = affine(lib), scale(lib)
    return root


@case
def state_dict_hooks_run_around_each_part(lib: Any) -> Any:
    root, log = _pair(lib), []
    for name, module in root.named_modules():
        module.register_state_dict_pre_hook(
            lambda m, prefix, keep_vars, n=name: log.append(["pre", n, prefix, keep_vars])
        )
        module.register_state_dict_post_hook(
            lambda m, state, prefix, local, n=name: log.append(["post", n, prefix, list(state)])
        )
    root.state_dict(prefix="x.")
    return log


@case
def state_dict_post_hook_changes_in_place(lib: Any) -> Any:
    root = _pair(lib)

    def rename(module: Any, state: Any, prefix: str, local: Any) -> None:
        state[prefix + "gain"] = state.pop(prefix + "weight")

    root.a.register_state_dict_post_hook(rename)
    return list(root.state_dict())


@case
def state_dict_post_hook_gets_local_metadata(lib: Any) -> Any:
    root = _pair(lib)
    type(root.b)._version = 4
    seen: list[Any] = []
    root.b.register_state_dict_post_hook(
        lambda m, state, prefix, local: seen.append([prefix, local["version"]])
    )
    root.b.register_state_dict_post_hook(lambda m, state, prefix, local: local.update(note="kept"))
    return [root.state_dict()._metadata["b"].get("note"), seen]


@case
def state_dict_post_hook_must_return_none(lib: Any) -> Any:
    root = _pair(lib)
    root.a.register_state_dict_post_hook(lambda m, state, prefix, local: state)
    return lib.attempt(root.state_dict)


@case
def state_dict_pre_hook_may_set_values(lib: Any) -> Any:
    module = scale(lib)
    module.register_state_dict_pre_hook(
        lambda m, prefix, keep_vars: lib.set_value(m.get_parameter("weight"), 6.0)
    )
    return {key: lib.value(entry) for key, entry in module.state_dict().items()}


@case
def state_dict_hooks_keep_their_order(lib: Any) -> Any:
    module, log = scale(lib), []
    for word in ("one", "two"):
        module.register_state_dict_pre_hook(lambda *_, w=word: log.append(f"pre {w}"))
        module.register_state_dict_post_hook(lambda *_, w=word: log.append(f"post {w}"))
    module.state_dict()
    return log


@case
def state_dict_hooks_are_removed(lib: Any) -> Any:
    module, log = scale(lib), []
    pre = module.register_state_dict_pre_hook(lambda *_: log.append("pre"))
    with module.register_state_dict_post_hook(lambda *_: log.append("post")):
        module.state_dict()
    pre.remove()
    module.state_dict()
    return log


@case
def load_hooks_run_around_each_part(lib: Any) -> Any:
    root, log = _pair(lib), []
    for name, module in root.named_modules():
        module.register_load_state_dict_pre_hook(
            lambda m, state, prefix, *rest, n=name: log.append(["pre", n, prefix])
        )
        module.register_load_state_dict_post_hook(
            lambda m, keys, n=name: log.append(["post", n, type(m).__name__])
        )
    root.load_state_dict(root.state_dict())
    return log


@case
def load_pre_hook_gets_eight_arguments(lib: Any) -> Any:
    root, seen = _pair(lib), []
    type(root.a)._version = 7

    def hook(module: Any, state: Any, prefix: str, local: Any, strict: bool, *lists: Any) -> None:
        seen.append([module is root.a, prefix, local.get("version"), strict, list(lists)])

    root.a.register_load_state_dict_pre_hook(hook)
    root.load_state_dict(root.state_dict())
    root.load_state_dict(dict(root.state_dict()), strict=False)
    return seen


@case
def load_pre_hook_sees_its_own_part(lib: Any) -> Any:
    root, seen = _pair(lib), []
    root.b.register_load_state_dict_pre_hook(
        lambda m, state, prefix, *rest: seen.append(sorted(state))
    )
    root.load_state_dict(root.state_dict())
    return seen


@case
def load_pre_hook_renames_an_old_key(lib: Any) -> Any:
    root = _pair(lib)

    def rename(module: Any, state: Any, prefix: str, *rest: Any) -> None:
        if prefix + "gain" in state:
            state[prefix + "weight"] = state.pop(prefix + "gain")

    root.a.register_load_state_dict_pre_hook(rename)
    old = root.state_dict()
    old["a.gain"] = old.pop("a.weight") * 3
    result = root.load_state_dict(old)
    return [result, root.a.weight, "a.gain" in old]


@case
def load_pre_hook_adds_an_error(lib: Any) -> Any:
    root = _pair(lib)

    def object_(module: Any, state: Any, prefix: str, local: Any, strict: bool, *lists: Any) -> Any:
        lists[2].append("too old for us")

    root.a.register_load_state_dict_pre_hook(object_)
    return [
        lib.attempt(root.load_state_dict, root.state_dict(), strict=False),
        lib.error_tells(lambda: root.load_state_dict(root.state_dict()), "too old for us"),
    ]


@case
def load_pre_hook_adds_a_missing_key(lib: Any) -> Any:
    root = _pair(lib)
    root.a.register_load_state_dict_pre_hook(
        lambda m, state, prefix, local, strict, missing, *rest: missing.append(prefix + "ghost")
    )
    return [
        lib.attempt(root.load_state_dict, root.state_dict()),
        root.load_state_dict(root.state_dict(), strict=False),
    ]


@case
def load_post_hook_edits_missing_keys(lib: Any) -> Any:
    root = _pair(lib)
    state = root.state_dict()
    del state["a.bias"]
    before = lib.attempt(root.load_state_dict, state)
    root.a.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    return [before, root.load_state_dict(state)]


@case
def load_post_hook_edits_unexpected_keys(lib: Any) -> Any:
    root, seen = _pair(lib), []
    state = root.state_dict()
    state["a.other"], state["third"] = lib.array([1.0]), lib.array([2.0])

    def edit(module: Any, keys: Any) -> None:
        seen.append(list(keys.unexpected_keys))
        keys.unexpected_keys[:] = [key for key in keys.unexpected_keys if key != "a.other"]

    root.register_load_state_dict_post_hook(edit)
    strict = lib.attempt(root.load_state_dict, state)
    return [strict, root.load_state_dict(state, strict=False), seen]


@case
def load_post_hook_must_return_none(lib: Any) -> Any:
    root = _pair(lib)
    root.a.register_load_state_dict_post_hook(lambda m, keys: keys)
    return lib.attempt(root.load_state_dict, root.state_dict())


@case
def load_post_hook_may_set_values(lib: Any) -> Any:
    module = scale(lib)
    module.register_load_state_dict_post_hook(
        lambda m, keys: lib.set_value(m.get_parameter("weight"), 100.0)
    )
    module.load_state_dict({"weight": lib.array(3.0)})
    return module.weight


@case
def load_hooks_are_removed(lib: Any) -> Any:
    root, log = tree(lib), []
    with root.register_load_state_dict_pre_hook(lambda *_: log.append("pre")):
        post = root.left.register_load_state_dict_post_hook(lambda *_: log.append("post"))
        root.load_state_dict(root.state_dict())
    post.remove()
    root.load_state_dict(root.state_dict())
    return log
