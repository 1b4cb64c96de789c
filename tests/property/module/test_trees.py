"""Random trees of Modules as pytrees and under transformations: nothing lost, nothing parted.

The values of the trees are quarters and add up exactly in any order, so all is compared by ==.
"""

import copy
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradion
from gradion.module import Module, Parameter, ParameterMeta, TransformError

from .trees import Running, module_trees

X = jnp.array([0.5, 1.5])
# Each example compiles; small trees have all kinds of sharing too.
compiled = settings(max_examples=25)
small_trees = module_trees(depth=2, width=2)


def call(module, x):
    return module(x)


def loss(module, x):
    return jnp.sum(module(x) ** 2)


def gradient_step(module, x):
    """Writes Parameters and, in `Running`, buffers and an array that is neither."""
    for below in module.modules():
        if isinstance(below, Running):
            below.offset = below.offset + 0.25
    value, gradient = gradion.value_and_grad(loss)(module, x)
    values = module.parameter_values()
    module.set_parameters({name: values[name] - 0.25 * gradient[name] for name in gradient})
    return value


def sharing(module):
    """The first name of the Parameter or Module under each name."""
    first = {}
    found = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        found["parameter " + name] = first.setdefault(id(parameter), name)
    for name, below in module.named_modules(remove_duplicate=False):
        found["module " + name] = first.setdefault(id(below), name)
    return found


def arrays(module):
    """Every leaf by name, with its dtype."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(module)
    return {
        jax.tree_util.keystr(path): (str(a.dtype), np.asarray(a).tolist()) for path, a in leaves
    }


def everything(module):
    """All that can be asked of a tree, by name."""
    own = {
        name: (
            type(below),
            below.training,
            getattr(below, "tag", None),
            dict(below._modules).keys(),
        )
        for name, below in module.named_modules(remove_duplicate=False)
    }
    metas = {name: p.meta for name, p in module.named_parameters(remove_duplicate=False)}
    empty = [name for name, below in module.named_modules() if None in below._modules.values()]
    return own, metas, empty, sharing(module), arrays(module), list(module.state_dict())


@given(module=module_trees())
def test_unflatten_undoes_flatten(module):
    leaves, treedef = jax.tree.flatten(module)
    back = jax.tree.unflatten(treedef, leaves)
    assert everything(back) == everything(module)
    assert all(a is b for a, b in zip(jax.tree.leaves(back), leaves, strict=True))
    assert jax.tree.structure(back) == treedef
    assert not {id(m) for m in back.modules()} & {id(m) for m in module.modules()}
    assert not {id(p) for p in back.parameters()} & {id(p) for p in module.parameters()}


@given(module=module_trees())
def test_leaves_are_named_as_parameters_and_buffers(module):
    leaves, _ = jax.tree_util.tree_flatten_with_path(module)
    buffers = [
        name
        for path, below in module.named_modules()
        for name, _ in below.named_buffers(path, recurse=False, remove_duplicate=False)
    ]
    plain = [
        f"{path}.offset".lstrip(".") for path, m in module.named_modules() if hasattr(m, "offset")
    ]
    names = [name for name, _ in module.named_parameters()] + buffers + plain
    assert [jax.tree_util.keystr(path) for path, _ in leaves] == ["." + name for name in names]
    values = [p.value for p in module.parameters()] + [module.get_buffer(name) for name in buffers]
    assert all(a is b for a, (_, b) in zip(values, leaves, strict=False))


@given(module=module_trees())
def test_copies_share_as_their_original_does(module):
    twin = copy.deepcopy(module)
    assert everything(twin) == everything(module)
    assert jax.tree.structure(twin) == jax.tree.structure(module)
    assert not {id(p) for p in twin.parameters()} & {id(p) for p in module.parameters()}
    new = module.with_parameters({name: v + 1 for name, v in module.parameter_values().items()})
    assert sharing(new) == sharing(module)
    assert [p.meta for p in new.parameters()] == [p.meta for p in module.parameters()]


@given(module=module_trees())
def test_a_loaded_state_parts_nothing(module):
    twin = copy.deepcopy(module)
    held = list(twin.parameters())
    twin.load_state_dict({name: 0 * array for name, array in module.state_dict().items()})
    twin.load_state_dict(module.state_dict())
    assert everything(twin) == everything(module)
    assert all(a is b for a, b in zip(twin.parameters(), held, strict=True))


def change(module, kind, data):
    """Change something static of one Module or Parameter; returns a function that undoes it."""
    below = data.draw(st.sampled_from(list(module.modules())))
    if kind == "mode":
        below.training = not below.training
        return lambda: setattr(below, "training", not below.training)
    if kind == "attribute":
        below.extra = data.draw(st.sampled_from([0, 0.0, "x", None]))
        return lambda: delattr(below, "extra")
    if kind == "hook":
        return below.register_forward_hook(lambda *_: None).remove
    if kind == "empty place":
        below.register_module("place", None)
        return lambda: delattr(below, "place")
    if kind == "buffer":
        below.register_buffer("scratch", X)
        return lambda: delattr(below, "scratch")
    parameters = list(module.parameters())
    if not parameters:
        return None
    parameter = data.draw(st.sampled_from(parameters))
    before = parameter.meta
    field = data.draw(st.sampled_from(["unit", "source", "trainable", "bounds"]))
    new = {"unit": "kg", "source": "x", "trainable": not before.trainable, "bounds": (-99.0, 99.0)}
    parameter.meta = replace(before, **{field: new[field]})
    return lambda: setattr(parameter, "meta", before)


KINDS = ["mode", "attribute", "hook", "empty place", "buffer", "meta"]


@given(module=module_trees(), kind=st.sampled_from(KINDS), data=st.data())
def test_structures_are_equal_exactly_if_all_that_is_static_is(module, kind, data):
    twin = copy.deepcopy(module)
    structure = jax.tree.structure(module)
    for parameter in twin.parameters():
        parameter.value = jnp.zeros_like(parameter.value)
    assert jax.tree.structure(twin) == structure
    undo = change(twin, kind, data)
    if undo is None:
        return
    assert jax.tree.structure(twin) != structure
    undo()
    assert jax.tree.structure(twin) == structure
    assert hash(jax.tree.structure(twin)) == hash(structure)


@given(module=module_trees())
def test_a_parameter_no_longer_shared_is_another_structure(module):
    shared = [n for n, first in sharing(module).items() if n.split()[0] == "parameter"]
    first = sharing(module)
    names = [n.split()[1] for n in shared if first[n] != n.split()[1]]
    if not names:
        return
    path, _, name = names[0].rpartition(".")
    owner = module.get_submodule(path)
    old = owner.get_parameter(name)
    before, count = jax.tree.structure(module), len(jax.tree.leaves(module))
    setattr(owner, name, copy.deepcopy(old))
    if len(jax.tree.leaves(module)) > count:
        assert jax.tree.structure(module) != before
    setattr(owner, name, old)
    assert jax.tree.structure(module) == before


@given(module=small_trees)
@compiled
def test_jit_does_what_the_function_does(module):
    twin = copy.deepcopy(module)
    held = list(twin.parameters())
    run = gradion.jit(call)
    # The first call traces, the second finds the way that is gone from the third on.
    for n in range(3):
        assert np.array_equal(run(twin, X + n), call(module, X + n))
        assert everything(twin) == everything(module)
    assert all(a is b for a, b in zip(twin.parameters(), held, strict=True))


@given(module=small_trees)
@compiled
def test_jit_keeps_what_a_training_step_writes(module):
    twin = copy.deepcopy(module)
    run = gradion.jit(gradient_step)
    for n in range(3):
        held = jax.tree.leaves(twin)
        values = [np.array(array) for array in held]
        # Two steps make numbers with more digits than there are: compiled code rounds otherwise.
        assert np.allclose(run(twin, X - n), gradient_step(module, X - n), rtol=1e-11)
        # What someone else holds is not donated, nor changed.
        assert all(map(np.array_equal, held, values))
        pairs = zip(jax.tree.leaves(twin), jax.tree.leaves(module), strict=True)
        assert all(np.allclose(mine, other, rtol=1e-11, atol=1e-11) for mine, other in pairs)
    assert sharing(twin) == sharing(module)
    assert not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(twin))


@given(module=small_trees)
@compiled
def test_inside_jit_the_tree_is_the_same(module):
    seen = []

    @gradion.jit
    def look(module):
        seen.append((sharing(module), [p.meta for p in module.parameters()]))
        seen.append(jax.tree.structure(module))
        return module

    assert look(module) is module
    assert seen[0] == (sharing(module), [p.meta for p in module.parameters()])
    assert seen[1] == jax.tree.structure(module)


@given(module=small_trees, data=st.data())
@compiled
def test_jit_carries_changes_of_structure(module, data):
    kind = data.draw(st.sampled_from(["mode", "attribute", "parameter", "share", "drop"]))
    paths = [path for path, _ in module.named_modules()]
    path = data.draw(st.sampled_from(paths))
    names = [name for name, _ in module.named_parameters()]
    source = data.draw(st.sampled_from(names)) if names else None

    def edit(module):
        below = module.get_submodule(path)
        if kind == "mode":
            below.train(not below.training)
        elif kind == "attribute":
            below.note = ("a", 1)
        elif kind == "parameter":
            below.more = Parameter(jnp.sum(X) * 2)
        elif kind == "share" and source:
            below.more = module.get_parameter(source)
        elif kind == "drop" and below._modules:
            delattr(below, next(iter(below._modules)))
        return module(X)

    twin = copy.deepcopy(module)
    objects = {id(m) for m in twin.modules()} | {id(p) for p in twin.parameters()}
    assert np.array_equal(gradion.jit(edit)(twin), edit(module))
    assert everything(twin) == everything(module)
    assert jax.tree.structure(twin) == jax.tree.structure(module)
    now = {id(m) for m in twin.modules()} | {id(p) for p in twin.parameters()}
    assert len(now - objects) == (kind == "parameter")


@given(module=small_trees)
def test_the_gradient_is_that_of_a_pure_function(module):
    twin = copy.deepcopy(module)

    def pure(values):
        return loss(module.with_parameters(values), X)

    expected = jax.grad(pure)(module.parameter_values())
    value, gradient = gradion.value_and_grad(loss)(twin, X)
    assert list(gradient) == list(module.parameter_values())
    assert list(gradient) == [name for name, p in module.named_parameters() if p.trainable]
    for name, array in expected.items():
        assert np.array_equal(gradient[name], array), name
    # What forward writes is kept, as without a gradient.
    assert value == loss(module, X)
    assert everything(twin) == everything(module)


@given(module=small_trees)
@compiled
def test_grads_add_up_compiled_or_not(module):
    twin = copy.deepcopy(module)
    once = gradion.grad(loss)(copy.deepcopy(module).eval(), X)
    run = gradion.jit(lambda module: gradion.backward(loss, module, X))
    for tree, step in ((module, lambda m: gradion.backward(loss, m, X)), (twin, run)):
        tree.eval()
        for n in (1, 2):
            step(tree)
            for name, parameter in tree.named_parameters():
                assert (parameter.grad is None) is not parameter.trainable
                if parameter.trainable:
                    assert np.array_equal(parameter.grad, n * once[name])
        tree.zero_grad()
        assert all(parameter.grad is None for parameter in tree.parameters())


@given(module=small_trees)
def test_the_directional_derivative_agrees_with_the_gradient(module):
    module.eval()
    gradient = gradion.grad(loss)(module, X)
    along = {name: jnp.full_like(array, 0.25) for name, array in gradient.items()}
    value, slope = gradion.jvp(loss, (module, X), (along, jnp.zeros(2)))
    assert value == loss(module, X)
    assert slope == sum((jnp.sum(0.25 * array) for array in gradient.values()), jnp.array(0.0))


@given(module=small_trees)
@compiled
def test_checkpoint_changes_no_number(module):
    twin = copy.deepcopy(module)
    saving = gradion.value_and_grad(gradion.checkpoint(loss))(twin, X)
    plain = gradion.value_and_grad(loss)(module, X)
    assert jax.tree.all(jax.tree.map(np.array_equal, saving, plain))
    assert everything(twin) == everything(module)


@given(module=small_trees)
@compiled
def test_scan_is_the_loop(module):
    twin = copy.deepcopy(module)
    xs = jnp.arange(6.0).reshape(3, 2) / 2
    (same, total), ys = gradion.scan(
        lambda carry, x: ((carry[0], carry[1] + x), carry[0](x)), (twin, jnp.zeros(2)), xs
    )
    assert same is twin
    assert np.array_equal(total, xs.sum(axis=0))
    assert np.array_equal(ys, jnp.stack([module(x) for x in xs]))
    assert everything(twin) == everything(module)


@given(module=small_trees)
@compiled
def test_vmap_over_a_stack_is_the_loop(module):
    trees = [copy.deepcopy(module) for _ in range(3)]
    for n, tree in enumerate(trees):
        for parameter in tree.parameters():
            parameter.meta = ParameterMeta(unit=parameter.unit)
            parameter.value = parameter.value + n
    stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)
    xs = jnp.arange(6.0).reshape(3, 2) / 2
    ys = gradion.vmap(call)(stack, xs)
    assert np.array_equal(ys, jnp.stack([tree(x) for tree, x in zip(trees, xs, strict=True)]))
    assert sharing(stack) == sharing(module)
    assert arrays(stack) == arrays(jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees))


def write(module, kind):
    """Write something; False if there is nothing of this kind."""
    buffers = [below for below in module.modules() if below._buffers]
    parameters = [below for below in module.modules() if any(below._parameters.values())]
    if kind == "buffer" and buffers:
        name = next(iter(buffers[-1]._buffers))
        setattr(buffers[-1], name, X)
    elif kind == "parameter" and parameters:
        parameter = next(parameters[-1].parameters())
        parameter.value = jnp.zeros_like(parameter.value)
    elif kind == "values" and parameters:
        module.set_parameters({name: v + 1 for name, v in module.parameter_values().items()})
    elif kind == "grad" and parameters:
        gradion.backward(loss, module, X)
    elif kind == "attribute":
        list(module.modules())[-1].note = 1
    elif kind == "mode":
        module.train(not module.training)
    elif kind == "hook":
        module.register_forward_hook(print)
    else:
        return False
    return True


WRITES = ["buffer", "parameter", "values", "grad", "attribute", "mode", "hook"]


@given(module=module_trees(depth=2), kind=st.sampled_from(WRITES), captured=st.booleans())
@settings(max_examples=60)
def test_a_write_in_a_transformation_of_jax_raises_and_changes_nothing(module, kind, captured):
    if not write(copy.deepcopy(module), kind):
        return
    if kind in ("values", "grad") and not module.parameter_values():
        return
    before, leaves = everything(module), jax.tree.leaves(module)
    structure = jax.tree.structure(module)

    def run(given, x):
        write(module if captured else given, kind)
        return x

    with pytest.raises(TransformError):
        jax.jit(run)(module, X)
    assert jax.tree.structure(module) == structure
    assert all(a is b for a, b in zip(jax.tree.leaves(module), leaves, strict=True))
    assert everything(module) == before
    assert all(parameter.grad is None for parameter in module.parameters())
    assert write(module, kind)  # outside it is allowed, still


@given(module=small_trees)
@compiled
def test_jax_may_read_and_a_copy_may_be_written(module):
    assert np.array_equal(jax.jit(call)(module.eval(), X), module(X))
    before = everything(module.train())

    @jax.jit
    def trained(module, x):
        twin = copy.deepcopy(module)
        y = twin(x)
        return y, twin

    y, twin = trained(module, X)
    assert everything(module) == before
    assert isinstance(twin, Module)
    assert np.array_equal(y, module(X))
    assert everything(twin) == everything(module)
