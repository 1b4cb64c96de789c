"""Dtype and place of a Module's Parameters and buffers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding

from gradion import Module, Parameter
from gradion.foundation.errors import InputError
from gradion.module import TransformError
from gradion.module.casting import CastError, DeviceError


class Part(Module):
    def __init__(self):
        super().__init__()
        self.x = Parameter(np.array([0.1, 2.0]), unit="m", bounds=(0.1, 5.0))
        self.register_buffer("mean", jnp.array([0.1]))
        self.register_buffer("count", jnp.array(3))
        self.register_buffer("phase", jnp.array([1.0 + 2.0j]))
        self.register_buffer("key", jax.random.key(0))
        self.register_buffer("none", None)
        self.plain = jnp.array([0.1])


class Tree(Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = Part(), Part()
        self.b.x = self.a.get_parameter("x")
        self.b.register_buffer("mean", self.a.mean)


def dtypes(module):
    return {name: str(array.dtype) for name, array in module.state_dict().items()}


@pytest.mark.parametrize(
    ("convert", "dtype"),
    [
        (lambda m: m.to(jnp.float32), "float32"),
        (lambda m: m.to(np.dtype("float16")), "float16"),
        (lambda m: m.to(np.float32), "float32"),
        (lambda m: m.to(jnp.ones(1, jnp.bfloat16)), "bfloat16"),
        (lambda m: m.to(np.ones(1, np.float16)), "float16"),
        (lambda m: m.float(), "float32"),
        (lambda m: m.half(), "float16"),
        (lambda m: m.bfloat16(), "bfloat16"),
        (lambda m: m.float().double(), "float64"),
        (lambda m: m.to(None, jnp.float32), "float32"),
        (lambda m: m.to(), "float64"),
    ],
)
def test_what_is_floating_is_converted(convert, dtype):
    module = Part()
    assert convert(module) is module
    assert dtypes(module) == {
        "x": dtype,
        "mean": dtype,
        "count": "int64",
        "phase": "complex128",
        "key": "key<fry>",
    }
    assert module.none is None
    assert module.plain.dtype == jnp.float64


def test_parameters_stay_and_are_shared():
    module = Tree()
    kept = module.a.get_parameter("x")
    kept.grad = jnp.array([1.0, 2.0])
    module.to(jnp.float32)
    assert module.b.get_parameter("x") is module.a.get_parameter("x") is kept
    assert kept.unit == "m"
    assert kept.bounds == (0.1, 5.0)
    assert kept.grad.dtype == jnp.float32
    np.testing.assert_array_equal(kept.grad, [1.0, 2.0])
    assert module.b.mean is module.a.mean
    # The bounds hold in the new dtype, where 0.1 is another number.
    kept.value = kept.value


def test_values_are_rounded_once():
    module = Part()
    module.to(jnp.float16)
    np.testing.assert_array_equal(module.x, np.array([0.1, 2.0], np.float16))
    module.double()
    np.testing.assert_array_equal(module.x, np.array([0.1, 2.0], np.float16).astype(float))


def test_parameters_without_a_value_get_the_dtype():
    module = Part()
    module.x = Parameter.uninitialized()
    module.float().cpu()
    assert module.get_parameter("x").is_uninitialized
    module.get_parameter("x").materialize(np.array([1.0, 2.0, 3.0]))
    assert module.x.dtype == jnp.float32


@pytest.mark.parametrize("dtype", [jnp.int32, bool, np.complex64, jnp.dtype("uint8")])
def test_only_floating_dtypes(dtype):
    module = Part()
    with pytest.raises(TypeError, match="expected a floating dtype"):
        module.to(dtype)
    with pytest.raises(TypeError, match="expected a floating dtype"):
        module.to(jnp.zeros(1, dtype))
    assert module.x.dtype == jnp.float64


@pytest.mark.parametrize("target", ["cpu", "float32", 3, 1.5, [jnp.float32], Part, object()])
def test_unknown_targets_are_named(target):
    with pytest.raises(TypeError, match=r"to: got .*, expected a floating dtype, a jax\.Device"):
        Part().to(target)


def test_one_of_each_kind():
    device = jax.devices("cpu")[0]
    for targets in ((jnp.float32, jnp.float16), (device, device), (jnp.ones(1), device)):
        with pytest.raises(TypeError, match="at most one dtype and one place"):
            Part().to(*targets)


def test_places():
    device = jax.devices("cpu")[0]
    mesh = Mesh(np.array([device]), ("x",))
    module = Tree()
    kept = module.a.get_parameter("x")
    kept.grad = jnp.ones(2)
    for place in (NamedSharding(mesh, PartitionSpec()), SingleDeviceSharding(device)):
        module.to(jnp.float32, place)
        for array in (module.a.x, module.b.mean, module.b.key, module.a.count, kept.grad):
            assert array.sharding == place
        assert module.a.x.dtype == jnp.float32
    assert module.cpu() is module
    assert module.a.x.devices() == {device}
    assert module.to(device, jnp.float16).a.x.dtype == jnp.float16


def test_a_gpu_that_is_not_there():
    with pytest.raises(DeviceError, match=r"there is no GPU number 1000; JAX knows"):
        Part().cuda(1000)
    with pytest.raises(InputError):
        Part().cuda(-1)


def test_type_converts_everything():
    module = Module()
    module.x = Parameter(0.1)
    module.register_buffer("count", jnp.array(3))
    module.register_buffer("key", jax.random.key(0))
    assert module.type(jnp.float32) is module
    assert dtypes(module) == {"x": "float32", "count": "float32", "key": "key<fry>"}


def test_type_of_parameters_is_floating():
    module = Part()
    with pytest.raises(CastError, match=r"got dtype int32, but Parameter x must be floating"):
        module.type(jnp.int32)
    assert isinstance(CastError(), (TypeError, RuntimeError))
    assert module.count.dtype == jnp.int64
    buffers = Module()
    buffers.register_buffer("b", jnp.array([1.5, -2.5]))
    np.testing.assert_array_equal(buffers.type(jnp.int32).b, [1, -2])


def test_type_takes_a_dtype():
    with pytest.raises(InputError, match="got 'float32', expected a dtype"):
        Part().type("float32")
    with pytest.raises(TypeError, match="got 3, expected a dtype"):
        Part().type(3)


def test_nothing_is_half_done():
    module = Tree()
    with pytest.raises(TransformError):
        jax.jit(lambda: module.to(jnp.float32))()
    assert module.a.x.dtype == module.a.mean.dtype == jnp.float64
