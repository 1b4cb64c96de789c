"""Adding n entries to a container takes time proportional to n."""

import gc
import time

import pytest

from gradion import Parameter
from gradion.module.containers import (
    ModuleDict,
    ModuleList,
    ParameterDict,
    ParameterList,
    Sequential,
)


def seconds(make, entry, add, count):
    entries = [entry() for _ in range(count)]
    container = make()
    start = time.process_time()
    for i, item in enumerate(entries):
        add(container, f"k{i}", item)
    return time.process_time() - start


def append(container, _, item):
    container.append(item)


def put(container, key, item):
    container[key] = item


@pytest.mark.parametrize(
    ("make", "entry", "add"),
    [
        (ModuleList, ModuleDict, append),
        (Sequential, ModuleDict, append),
        (ModuleDict, ModuleList, put),
        (ParameterList, lambda: Parameter.from_leaf(None, None, None), append),
        (ParameterDict, lambda: Parameter.from_leaf(None, None, None), put),
    ],
)
def test_adding_is_linear(make, entry, add):
    def ratio():
        few = min(seconds(make, entry, add, 500) for _ in range(3))
        return seconds(make, entry, add, 8000) / few

    seconds(make, entry, add, 100)
    gc.disable()  # its work grows with all objects that live
    try:
        # 16 if linear, 256 if quadratic: 64 lies between, a factor of 4 from each. A busy machine
        # may pass for quadratic once, a quadratic cost never for linear.
        assert any(ratio() < 64 for _ in range(5))
    finally:
        gc.enable()
