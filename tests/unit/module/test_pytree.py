"""Modules as JAX pytrees: leaves, structure, sharing, transformations, compilation."""

import copy
import functools
import math
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gradion import Module, Parameter
from gradion.foundation.errors import InputError
from gradion.module import ModuleList, NormalPrior


class Line(Module):
    def __init__(self, slope=2.0, *, degree=1, unit="1"):
        super().__init__()
        self.slope = Parameter(slope, unit=unit)
        self.offset = Parameter(1.0, trainable=False)
        self.register_buffer("count", jnp.array(0.0))
        self.degree = degree
        self.table = jnp.ones(2)

    def forward(self, x):
        return self.slope * x**self.degree + self.offset


class Pair(Module):
    def __init__(self, *, share=False):
        super().__init__()
        self.left = Line(2.0)
        self.right = Line(3.0)
        if share:
            self.right.slope = self.left.get_parameter("slope")

    def forward(self, x):
        return self.left(x) * self.right(x)


class Plain(Module):
    def __init__(self, **attributes):
        super().__init__()
        for name, value in attributes.items():
            setattr(self, name, value)


def structure(module):
    return jax.tree.structure(module)


def test_leaves_and_their_names():
    leaves, _ = jax.tree_util.tree_flatten_with_path(Pair())
    assert [jax.tree_util.keystr(path) for path, _ in leaves] == [
        ".left.slope",
        ".left.offset",
        ".right.slope",
        ".right.offset",
        ".left.count",
        ".right.count",
        ".left.table",
        ".right.table",
    ]
    assert [float(jnp.sum(leaf)) for _, leaf in leaves] == [2, 1, 3, 1, 0, 0, 2, 2]


def test_round_trip_keeps_everything():
    pair = Pair().eval()
    pair.left.register_buffer("scratch", jnp.ones(3), persistent=False)
    pair.left.note = ("text", 1, None)
    twin = jax.tree.map(lambda x: x, pair)
    assert type(twin) is Pair
    assert twin.left is not pair.left
    assert twin.state_dict().keys() == pair.state_dict().keys()
    assert twin.describe() == pair.describe()
    assert twin.left.note == ("text", 1, None)
    assert not twin.left.training
    assert structure(twin) == structure(pair)


def test_unflatten_runs_no_constructor_and_takes_any_leaf():
    treedef = structure(Pair(share=True))
    sentinel = object()
    for leaf in (sentinel, None, jax.ShapeDtypeStruct((2,), jnp.float32), "text", 1):
        tree = jax.tree_util.tree_unflatten(treedef, [leaf] * treedef.num_leaves)
        assert tree.left.slope is leaf
        assert tree.left.table is leaf
        assert tree.right.get_parameter("slope") is tree.left.get_parameter("slope")
        if leaf is not None:
            assert structure(tree) == treedef
            assert jax.tree.leaves(tree) == [leaf] * treedef.num_leaves
    assert "object" in repr(tree_of(treedef, sentinel).left.get_parameter("slope"))


def tree_of(treedef, leaf):
    return jax.tree_util.tree_unflatten(treedef, [leaf] * treedef.num_leaves)


def test_nones_leave_their_places():
    # Filtering (equinox.partition and its like) puts None for leaves and combines later.
    pair = Pair()
    arrays, rest = eqx.partition(pair, lambda x: jnp.ndim(x) > 0)
    assert len(jax.tree.leaves(arrays)) == 2
    both = eqx.combine(arrays, rest)
    assert structure(both) == structure(pair)
    assert both(2.0) == pair(2.0)


def test_eval_shape():
    shapes = jax.eval_shape(Pair)
    assert shapes.left.slope.dtype == jnp.float64
    assert shapes.left.table.shape == (2,)


def test_shared_parameter_is_one_leaf():
    pair = Pair(share=True)
    assert len(jax.tree.leaves(pair)) == len(jax.tree.leaves(Pair())) - 1
    gradient = jax.grad(lambda p: p(2.0))(pair)
    # (2 s + 1)(2 s + 1): both places count.
    assert gradient.left.slope == pytest.approx(2 * 5 * 2)
    for twin in (
        jax.tree.map(lambda x: 2 * x, pair),
        copy.deepcopy(pair),
        pair.with_parameters({"left.slope": 7.0}),
        jax.jit(lambda p: p)(pair),
    ):
        assert twin.right.get_parameter("slope") is twin.left.get_parameter("slope")
        assert structure(twin) == structure(pair)
    assert structure(pair) != structure(Pair())


def test_shared_module_stays_shared():
    pair = Pair()
    pair.right = pair.left
    twin = jax.tree.map(lambda x: x + 1, pair)
    assert twin.right is twin.left
    assert len(jax.tree.leaves(pair)) == 4


def test_equal_structures():
    assert structure(Pair()) == structure(Pair())
    assert structure(Line(1.0)) == structure(Line(5.0))
    assert structure(Line()) != structure(Line(degree=2))
    assert structure(Line()) != structure(Line(unit="m"))
    assert structure(Line()) != structure(Line().eval())
    assert hash(structure(Pair())) == hash(structure(Pair()))


def test_order_of_plain_attributes_does_not_matter():
    assert structure(Plain(a=1, b=2)) == structure(Plain(b=2, a=1))


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, True), (0.0, -0.0), ((1,), (1.0,)), ("a", b"a"), (1.0, np.float64(1.0))],
)
def test_static_attributes_are_compared_strictly(one, other):
    assert structure(Plain(a=one)) != structure(Plain(a=other))


def test_static_attributes_that_are_equal():
    @dataclass(frozen=True)
    class Options:
        tolerance: float = 1e-6
        name: str = "x"

    for value in (math.nan, Options(), (Options(), None), frozenset({1, 2}), 1 + 2j, len):
        assert structure(Plain(a=value)) == structure(Plain(a=copy.deepcopy(value)))
    power = functools.partial(pow, exp=2)
    assert structure(Plain(a=power)) == structure(Plain(a=functools.partial(pow, exp=2)))
    assert structure(Plain(a=Options(1.0))) != structure(Plain(a=Options(1)))


@dataclass(frozen=True)
class Box:
    content: object


class Opaque(eqx.Module):
    content: object


@pytest.mark.parametrize(
    "value",
    [
        [1, 2],
        {"a": 1},
        (1, [2]),
        (jnp.ones(2),),
        Box(jnp.ones(2)),
        Box(Line()),
        Opaque(jnp.ones(2)),
        ((Line(),),),
        ((Parameter(1.0),),),
        Line().forward,
        functools.partial(pow, exp=np.ones(1)),
    ],
)
def test_what_cannot_be_static_is_refused(value):
    module = Pair()
    module.left.extra = value
    with pytest.raises(TypeError, match=r"Line\.extra cannot be static"):
        jax.tree.leaves(module)


def test_cached_property_with_an_array_is_refused():
    class Cached(Line):
        @functools.cached_property
        def square(self):
            return self.slope**2

    module = Cached()
    jax.tree.leaves(module)
    assert module.square == 4.0
    with pytest.raises(TypeError, match=r"Cached\.square cannot be static"):
        jax.tree.leaves(module)


def test_changes_are_seen_after_flattening():
    pair = Pair()

    def flat():
        return len(jax.tree.leaves(pair)), structure(pair)

    seen = [flat()]
    for change in (
        lambda: setattr(pair.left, "degree", 2),
        lambda: setattr(pair.left, "new", Parameter(1.0)),
        lambda: setattr(pair.left, "array", jnp.ones(1)),
        lambda: setattr(pair.left, "array", 3),
        lambda: delattr(pair.left, "array"),
        lambda: setattr(pair.left.get_parameter("slope"), "trainable", False),
        lambda: setattr(pair.left.get_parameter("slope"), "prior", NormalPrior(0, 1)),
        lambda: pair.left.register_buffer("more", jnp.ones(1)),
        lambda: pair.left.register_buffer("more", jnp.ones(1), persistent=False),
        lambda: setattr(pair.left, "child", Line()),
        lambda: setattr(pair.left.child, "degree", 5),
        lambda: setattr(pair.left, "child", None),
        lambda: setattr(pair, "training", False),
        lambda: setattr(pair.right, "offset", None),
    ):
        change()
        assert flat() not in seen[-1:]
        seen.append(flat())


def test_values_are_no_change_of_structure():
    pair = Pair()
    before = structure(pair)
    pair.left.get_parameter("slope").value = 9.0
    pair.left.count = jnp.array(5.0)
    pair.left.table = jnp.zeros(7)
    assert structure(pair) == before
    leaves = jax.tree.leaves(pair)
    assert leaves[0] == 9.0
    assert leaves[4] == 5.0
    assert leaves[6].shape == (7,)


def test_separate_equal_modules_share_compiled_code():
    traces = []

    @jax.jit
    def run(module, x):
        traces.append(module)
        return module(x)

    module = Pair(share=True)
    results = [run(module, 2.0), run(Pair(share=True), 2.0), run(copy.deepcopy(module), 2.0)]
    module.left.get_parameter("slope").value = 4.0
    results.append(run(module, 2.0))
    results.append(run(module.with_parameters({"left.slope": 5.0}), 2.0))
    results.append(run(jax.tree.map(lambda x: x, module), 2.0))
    module.left.count = jnp.array(7.0)
    run(module, 2.0)
    assert len(traces) == 1
    assert [float(result) for result in results] == [25, 25, 25, 81, 121, 81]
    run(Pair(), 2.0)
    assert len(traces) == 2


def test_grad_matches_the_formula():
    gradient = jax.jit(jax.grad(lambda module, x: module(x)))(Pair(), 2.0)
    assert type(gradient) is Pair
    assert gradient.left.slope == pytest.approx(2 * 7)
    assert gradient.left.offset == pytest.approx(7)
    assert gradient.right.slope == pytest.approx(2 * 5)
    assert gradient.left.table.shape == (2,)


def test_vmap_over_a_batch_of_modules():
    lines = jax.vmap(lambda s: Line().with_parameters({"slope": s}))(jnp.arange(3.0))
    assert lines.slope.shape == (3,)
    np.testing.assert_allclose(
        jax.vmap(lambda line, x: line(x), in_axes=(0, None))(lines, 2.0), [1, 3, 5]
    )


def test_vmap_with_axes_given_as_a_module():
    line = Line()
    leaves, treedef = jax.tree.flatten(line)
    axes = jax.tree.unflatten(treedef, [0] + [None] * (len(leaves) - 1))
    batch = jax.tree.unflatten(treedef, [jnp.arange(3.0), *leaves[1:]])
    np.testing.assert_allclose(jax.vmap(lambda m: m(2.0), in_axes=(axes,))(batch), [1, 3, 5])


def test_scan_carries_a_module():
    def step(module, x):
        return module.with_parameters({"left.slope": module.left.slope + x}), module(x)

    last, outputs = jax.jit(lambda m: jax.lax.scan(step, m, jnp.arange(3.0)))(Pair())
    assert type(last) is Pair
    assert last.left.slope == 5.0
    assert outputs.shape == (3,)


def test_closures_and_lax():
    line = Line()
    assert jax.jit(lambda x: jax.lax.mul(line.slope, x))(3.0) == 6.0
    loop = jax.lax.fori_loop(0, 3, lambda _, c: c * line.slope, jnp.array(1.0))
    assert loop == 8.0


def test_a_copy_made_under_jit_may_be_written_and_returned():
    @jax.jit
    def step(module):
        module = copy.deepcopy(module)
        module.count = module.count + 1
        return module

    line = Line()
    assert step(step(line)).count == 2
    assert line.count == 0


def test_optax_step():
    line = Line()
    optimiser = optax.sgd(0.1)
    gradient = jax.grad(lambda m: (m(1.0) - 5.0) ** 2)(line)
    updates, _ = optimiser.update(gradient, optimiser.init(line))
    assert optax.apply_updates(line, updates).slope == pytest.approx(2.0 + 0.1 * 4.0)


def test_with_parameters():
    pair = Pair()
    other = pair.with_parameters({"left.slope": 9, "right.offset": np.float32(4)})
    assert (other.left.slope, other.right.offset, other.right.slope) == (9.0, 4.0, 3.0)
    assert pair.left.slope == 2.0
    assert other.left.count is pair.left.count
    assert structure(other) == structure(pair)
    gradient = jax.grad(lambda s: pair.with_parameters({"left.slope": s})(2.0))(2.0)
    assert gradient == pytest.approx(14)
    assert jax.jit(lambda p, s: p.with_parameters({"left.slope": s}).left.slope)(pair, 3.0) == 3.0


def test_with_parameters_of_a_shared_one():
    pair = Pair(share=True)
    assert pair.with_parameters({"right.slope": 8.0}).left.slope == 8.0
    value = jnp.array(8.0)
    assert pair.with_parameters({"right.slope": value, "left.slope": value}).left.slope == 8.0
    with pytest.raises(InputError, match="'left.slope' and 'right.slope' are one shared"):
        pair.with_parameters({"left.slope": 1.0, "right.slope": 2.0})


def test_with_parameters_errors():
    pair = Pair()
    with pytest.raises(InputError, match=r"unknown parameter 'left.slop'.*'left.slope'"):
        pair.with_parameters({"left.slop": 1.0})
    with pytest.raises(InputError, match=r"parameter 'left.slope': .*shape \(2,\), expected \(\)"):
        pair.with_parameters({"left.slope": jnp.ones(2)})
    with pytest.raises(TypeError, match="parameter 'left.slope': .*float32"):
        pair.with_parameters({"left.slope": jnp.float32(2)})


def test_with_parameters_does_not_look_at_bounds():
    module = Plain(x=Parameter(1.0, bounds=(0, 1)))
    assert module.with_parameters({"x": 1.0 + 1e-15}).x > 1.0


def test_deepcopy_under_jit():
    assert jax.jit(lambda m: copy.deepcopy(m)(2.0))(Pair()) == Pair()(2.0)


def test_random_keys_are_leaves():
    module = Plain(key=jax.random.key(0))
    module.register_buffer("more", jax.random.key(1))
    assert len(jax.tree.leaves(module)) == 2
    assert jax.jit(lambda m: jax.random.uniform(m.key))(module).shape == ()


def test_donation_of_a_copy_leaves_the_original():
    line = Line()
    twin = copy.deepcopy(line)
    jax.jit(lambda m: jax.tree.map(lambda x: x + 1, m), donate_argnums=0)(twin)
    assert line.slope == 2.0


def test_deep_list():
    layers = ModuleList(ModuleList([Line()]) for _ in range(3))
    assert jax.tree.map(lambda x: x + 1, layers)[2][0].slope == 3.0
