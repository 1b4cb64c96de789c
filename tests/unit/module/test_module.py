"""Module: attributes, registration, look-up, modes, text."""

import copy
import gc
import weakref
from abc import abstractmethod

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gradion import Module, Parameter
from gradion.foundation.errors import InputError
from gradion.module import ModuleList


class Particle(Module):
    def __init__(self, D_s=1.0):
        super().__init__()
        self.D_s = Parameter(D_s, unit="m^2/s", bounds=(0, 10), source="a table")
        self.radius = Parameter(2.0, unit="m", trainable=False)
        self.register_buffer("grid", jnp.arange(3.0))
        self.register_buffer("scratch", jnp.zeros(2), persistent=False)

    def forward(self, x):
        return self.D_s * x + self.radius


class Cell(Module):
    def __init__(self):
        super().__init__()
        self.negative = Particle(1.0)
        self.positive = Particle(2.0)
        self.area = Parameter(0.1, unit="m^2")

    def extra_repr(self):
        return "two electrodes"


class Empty(Module):
    pass


def test_reading_a_parameter_gives_its_array():
    particle = Particle()
    assert isinstance(particle.D_s, jax.Array)
    assert particle.D_s is particle.get_parameter("D_s").value
    assert "D_s" not in vars(particle)
    assert particle(2.0) == 4.0


def test_parameter_takes_a_name_over():
    module = Empty()
    module.x = 3
    module.x = Parameter(1.0)
    assert "x" not in vars(module)
    module.register_buffer("b", jnp.ones(1), persistent=False)
    module.b = Parameter(1.0)
    assert not module._buffers
    assert not module._non_persistent_buffers
    module.m = Empty()
    module.m = Parameter(1.0)
    assert not module._modules
    assert list(module._parameters) == ["x", "b", "m"]


def test_module_takes_a_name_over():
    module = Empty()
    module.x = jnp.ones(2)
    module.x = Empty()
    assert "x" not in vars(module)
    assert jax.tree.leaves(module) == []
    module.register_buffer("b", jnp.ones(1))
    module.b = Empty()
    assert not module._buffers


def test_array_assigned_to_a_parameter():
    particle = Particle()
    with pytest.raises(TypeError, match="set_parameters"):
        particle.D_s = jnp.array(3.0)
    with pytest.raises(TypeError, match="Module or None"):
        Cell().negative = 3
    with pytest.raises(TypeError, match="cannot assign Empty to Parameter"):
        particle.D_s = Empty()


def test_buffer_assignment():
    particle = Particle()
    particle.grid = jnp.ones(4)
    assert particle._buffers["grid"].shape == (4,)
    particle.grid = np.ones(2)
    assert isinstance(particle.grid, jax.Array)
    with pytest.raises(TypeError, match="expected an array or None"):
        particle.grid = 3.0


def test_none_for_registered_names():
    cell = Cell()
    cell.area = None
    cell.negative = None
    cell.positive.grid = None
    assert cell.area is None
    assert cell.negative is None
    assert cell.positive.grid is None
    assert list(dict(cell.named_parameters())) == ["positive.D_s", "positive.radius"]
    assert [name for name, _ in cell.named_modules()] == ["", "positive"]
    assert "(negative): None" in repr(cell)
    assert list(cell.state_dict()) == ["positive.D_s", "positive.radius"]
    twin = jax.tree.map(lambda x: x, cell)
    assert twin.negative is None
    cell.area = Parameter(3.0)
    assert cell.area == 3.0


@pytest.mark.parametrize("value", [Parameter(1.0), Empty()])
def test_assignment_before_init(value):
    class Early(Module):
        def __init__(self):
            self.x = value

    with pytest.raises(AttributeError, match=r"before super\(\).__init__\(\)"):
        Early()


def test_plain_attributes_before_init_are_kept():
    class Early(Module):
        def __init__(self):
            self.n = 3
            self.table = jnp.ones(2)
            super().__init__()

    module = jax.tree.map(lambda x: 2 * x, Early())
    assert module.n == 3
    np.testing.assert_array_equal(module.table, [2, 2])


def test_read_before_init():
    class Late(Module):
        def __init__(self):
            _ = self.x

    with pytest.raises(AttributeError, match="has super"):
        Late()


@pytest.mark.parametrize(
    ("register", "good"),
    [
        ("register_parameter", Parameter(1.0)),
        ("register_buffer", jnp.ones(1)),
        ("register_module", Empty()),
    ],
)
def test_registration_errors(register, good):
    module = Empty()
    for name in ("", "a.b", "forward", "training"):
        with pytest.raises(KeyError):
            getattr(module, register)(name, good)
    with pytest.raises(TypeError, match="expected"):
        getattr(module, register)("x", "no")
    with pytest.raises(TypeError, match="expected text"):
        getattr(module, register)(3, good)
    getattr(module, register)("x", good)
    getattr(module, register)("x", good)  # the same kind again replaces, as in torch
    for other in {"register_parameter", "register_buffer", "register_module"} - {register}:
        with pytest.raises(KeyError, match="already"):
            getattr(module, other)("x", None)


def test_persistence_may_change():
    module = Empty()
    module.register_buffer("x", jnp.ones(1), persistent=False)
    assert list(module.state_dict()) == []
    module.register_buffer("x", jnp.ones(1))
    assert list(module.state_dict()) == ["x"]


def test_missing_attribute():
    with pytest.raises(AttributeError, match="Particle has no attribute 'D_z'") as caught:
        _ = Particle().D_z
    # By these Python adds "Did you mean" to a traceback.
    assert caught.value.name == "D_z"
    assert "D_s" in dir(caught.value.obj)
    with pytest.raises(AttributeError, match="no attribute 'zzz'"):
        del Particle().zzz
    assert not hasattr(Particle(), "zzz")


def test_property_that_fails_is_named():
    class Failing(Module):
        @property
        def depth(self):
            return self.deepness

    with pytest.raises(AttributeError, match="property 'depth'"):
        _ = Failing().depth


def test_delete():
    cell = Cell()
    cell.note = "x"
    cell.table = jnp.ones(1)
    before = len(jax.tree.leaves(cell))
    for name in ("area", "negative", "note", "table"):
        delattr(cell, name)
        assert not hasattr(cell, name)
    del cell.positive.scratch
    assert not cell.positive._non_persistent_buffers
    assert before - len(jax.tree.leaves(cell)) == 1 + 4 + 1 + 1


def test_names_in_dir():
    assert {"D_s", "grid", "training"} <= set(dir(Particle()))
    assert "negative" in dir(Cell())


def test_look_up():
    cell = Cell()
    assert cell.get_submodule("") is cell
    assert cell.get_submodule("negative") is cell.negative
    assert cell.get_parameter("negative.D_s").unit == "m^2/s"
    assert cell.get_buffer("negative.grid") is cell.negative.grid
    with pytest.raises(AttributeError, match="Cell has no Module 'negativ'; near: negative"):
        cell.get_parameter("negativ.D_s")
    with pytest.raises(AttributeError, match="Particle has no Parameter 'D_z'"):
        cell.get_parameter("negative.D_z")
    with pytest.raises(AttributeError, match="no buffer 'D_s'"):
        cell.get_buffer("negative.D_s")


def test_order_of_names():
    cell = Cell()
    assert [name for name, _ in cell.named_parameters()] == [
        "area",
        "negative.D_s",
        "negative.radius",
        "positive.D_s",
        "positive.radius",
    ]
    assert [name for name, _ in cell.named_parameters("c", recurse=False)] == ["c.area"]
    assert [name for name, _ in cell.named_buffers()][:2] == ["negative.grid", "negative.scratch"]
    assert [name for name, _ in cell.named_modules()] == ["", "negative", "positive"]
    assert [name for name, _ in cell.named_children()] == ["negative", "positive"]
    assert list(cell.children()) == [cell.negative, cell.positive]
    assert list(cell.modules()) == [cell, cell.negative, cell.positive]
    assert len(list(cell.parameters())) == 5
    assert len(list(cell.buffers())) == 4


def test_shared_parameter_comes_once():
    cell = Cell()
    cell.positive.D_s = cell.negative.get_parameter("D_s")
    names = [name for name, _ in cell.named_parameters()]
    assert "positive.D_s" not in names
    all_names = [name for name, _ in cell.named_parameters(remove_duplicate=False)]
    assert "positive.D_s" in all_names


def test_shared_module_comes_once():
    cell = Cell()
    cell.positive = cell.negative
    assert [name for name, _ in cell.named_modules()] == ["", "negative"]
    assert len(list(cell.named_modules(remove_duplicate=False))) == 3
    assert [name for name, _ in cell.named_children()] == ["negative"]


def test_a_cycle_of_modules_ends():
    parent, child = Empty(), Empty()
    parent.child, child.parent = child, parent
    child.x = Parameter(1.0)
    assert [name for name, _ in parent.named_modules(remove_duplicate=False)] == ["", "child"]
    twin = jax.tree.map(lambda x: x + 1, parent)
    assert twin.child.parent is twin
    assert twin.child.x == 2.0
    assert "Empty(...)" in repr(parent)
    assert list(parent.state_dict()) == ["child.x"]


def test_train_and_eval():
    cell = Cell()
    assert cell.eval() is cell
    assert not any(module.training for module in cell.modules())
    assert all(module.training for module in cell.train().modules())
    with pytest.raises(ValueError, match="expected a bool"):
        cell.train(1)


def test_no_forward():
    with pytest.raises(NotImplementedError, match="Empty has no forward"):
        Empty()(1.0)


def test_abstract_modules():
    class AbstractLaw(Module):
        @abstractmethod
        def rate(self, x): ...

    class Law(AbstractLaw):
        def rate(self, x):
            return x

    with pytest.raises(TypeError, match="abstract"):
        AbstractLaw()
    assert Law().rate(3) == 3


def test_repr():
    assert repr(Cell()) == (
        "Cell(\n  two electrodes\n  (negative): Particle()\n  (positive): Particle()\n)"
    )


def test_describe():
    cell = Cell()
    cell.profile = Parameter(np.array([1.0, 2.0]))
    lines = cell.describe().splitlines()
    assert lines[0].split() == ["name", "value", "unit", "bounds", "source", "trainable"]
    assert lines[1].split() == ["area", "0.1", "m^2", "-", "-", "yes"]
    row = next(line for line in lines if line.startswith("negative.D_s"))
    assert row.split() == ["negative.D_s", "1", "m^2/s", "(0,", "10)", "a", "table", "yes"]
    assert any(line.startswith("profile") and "[2] 1 .. 2" in line for line in lines)
    assert next(line for line in lines if "radius" in line).endswith("no")
    assert Empty().describe().splitlines() == ["name  value  unit  bounds  source  trainable"]
    jax.jit(lambda c: [c.describe(), c.area][1])(cell)  # tracers have a text too


def test_select():
    cell = Cell()
    assert cell.select("*.D_s") == ("negative.D_s", "positive.D_s")
    assert cell.select("positive.*", "area", "area") == ("area", "positive.D_s", "positive.radius")
    assert cell.select() == ()
    with pytest.raises(InputError, match=r"unknown parameter 'negative.D_z'.*negative.D_s"):
        cell.select("area", "negative.D_z")
    cell.positive.D_s = cell.negative.get_parameter("D_s")
    assert cell.select("positive.D_s") == ("negative.D_s",)


@pytest.mark.parametrize("wrap", [list, tuple, set, lambda pair: {"a": pair[0]}])
def test_hidden_modules_are_refused(wrap):
    module = Empty()
    with pytest.raises(TypeError, match="ModuleList"):
        module.layers = wrap([Empty(), Empty()])
    with pytest.raises(TypeError, match="hide"):
        module.numbers = wrap([Parameter(1.0), Parameter(2.0)])


def test_module_list():
    layers = ModuleList([Particle(1.0), Particle(2.0)])
    assert layers.append(Particle(3.0)) is layers
    assert len(layers) == 3
    assert layers[-1].D_s == 3.0
    assert [float(layer.D_s) for layer in layers] == [1.0, 2.0, 3.0]
    assert layers.select("1.*") == ("1.D_s", "1.radius")
    with pytest.raises(IndexError, match="index 3"):
        _ = layers[3]
    with pytest.raises(TypeError, match="expected a Module"):
        layers.append(3)
    assert len(jax.tree.map(lambda x: x, layers)) == 3


def test_copies_share_no_storage():
    cell = Cell()
    cell.positive.D_s = cell.negative.get_parameter("D_s")
    jax.tree.leaves(cell)  # a cached plan must not travel with a copy
    deep, shallow = copy.deepcopy(cell), copy.copy(cell)
    deep.negative.get_parameter("D_s").value = 7.0
    assert deep.positive.D_s == 7.0
    assert cell.negative.D_s == 1.0
    assert jax.tree.structure(deep) != jax.tree.structure(Cell())
    assert jax.tree.leaves(deep)[1] == 7.0
    shallow.area = Parameter(5.0)
    shallow.extra = Parameter(6.0)
    assert cell.area == pytest.approx(0.1)
    assert not hasattr(cell, "extra")
    assert shallow.negative is cell.negative


def test_no_cycle_keeps_a_flattened_module_alive():
    cell = jax.tree.map(lambda x: x, Cell())
    jax.tree.leaves(cell)
    probe = weakref.ref(cell)
    gc.disable()
    try:
        del cell
        assert probe() is None
    finally:
        gc.enable()
