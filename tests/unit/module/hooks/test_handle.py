"""Handles of hooks."""

import copy
import gc
import weakref

import pytest

from gradion.module import Module
from gradion.module.hooks import RemovableHandle, register_module_forward_hook


class Same(Module):
    def forward(self, x):
        return x


REGISTERING = {
    "forward_pre": lambda m: m.register_forward_pre_hook(print),
    "forward": lambda m: m.register_forward_hook(print),
    "backward_pre": lambda m: m.register_full_backward_pre_hook(print),
    "backward": lambda m: m.register_full_backward_hook(print),
    "state_dict_pre": lambda m: m.register_state_dict_pre_hook(print),
    "state_dict_post": lambda m: m.register_state_dict_post_hook(print),
    "load_pre": lambda m: m.register_load_state_dict_pre_hook(print),
    "load_post": lambda m: m.register_load_state_dict_post_hook(print),
}


@pytest.mark.parametrize("table", REGISTERING)
def test_handle_of_each_kind(table):
    module = Same()
    handle = REGISTERING[table](module)
    assert isinstance(handle, RemovableHandle)
    assert [(name, entry.hook) for name, _, entry in module._hooks.entries()] == [(table, print)]
    handle.remove()
    assert module._hooks is None


def test_removing_twice():
    module = Same()
    first = module.register_forward_hook(lambda *_: 1)
    module.register_forward_hook(lambda *_: 2)
    first.remove()
    first.remove()
    assert module(0) == 2


def test_handle_is_a_context_manager():
    module = Same()
    with module.register_forward_hook(lambda *_: 1) as handle:
        assert isinstance(handle, RemovableHandle)
        assert module(0) == 1
    assert module(0) == 0


def test_block_left_by_an_error_removes_the_hook():
    module = Same()
    with pytest.raises(KeyError), module.register_forward_hook(lambda *_: 1):
        raise KeyError
    assert module(0) == 0


def test_ids_differ():
    module = Same()
    handles = [module.register_forward_hook(print) for _ in range(3)]
    assert len({handle.id for handle in handles}) == 3


def test_handle_keeps_no_module_alive():
    module = Same()
    handle = module.register_forward_hook(print)
    gone = weakref.ref(module)
    del module
    gc.collect()
    assert gone() is None
    handle.remove()


def test_global_handle():
    with register_module_forward_hook(lambda *_: 1):
        assert Same()(0) == 1
    assert Same()(0) == 0


def test_handle_that_a_module_keeps_is_copied_with_it():
    class Hooked(Module):
        def __init__(self):
            super().__init__()
            self.handle = self.register_forward_hook(lambda *_: 7.0)

        def forward(self):
            return 1.0

    original = Hooked()
    twin = copy.deepcopy(original)
    twin.handle.remove()
    assert twin() == 1.0
    assert original() == 7.0
    other = copy.deepcopy(original)
    original.handle.remove()
    assert other() == 7.0
    # A handle copied alone belongs to no Module.
    copy.deepcopy(other.handle).remove()
    assert other() == 7.0
