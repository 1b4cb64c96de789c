"""Files of graphs, and ways to damage them: by bytes, and by parts whose checksums are mended."""

from __future__ import annotations

import copy
import functools
import io
import json
import zipfile
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gradion.graph import capture
from gradion.graph.definition import GraphDef, to_bytes
from gradion.graph.definition.archive import pack
from gradion.graph.definition.manifest import Part

from .random_graphs import random_graph

# What a reader might take for something else.
_VALUES = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2,
        3,
        7,
        31,
        33,
        2**31,
        2**31 - 1,
        2**63,
        2**64,
        10**30,
        -(2**63),
    ),
    *(0.0, -0.0, 0.5, 1.0, 1e308, 1e-320),
    *("", "x", "x:0", "x:1", "0", "1", ":", ":0", "x:-1", "x:00", "\ud800", "\u0000", "a\\", "a\n"),
    *("float64", "float32", "int32", "bool", "key<fry>", "int4", "float8_e4m3fn", "object"),
    *("constant", "placeholder", "variable", "read_variable", "assign_variable", "check", "group"),
    *(
        "cond",
        "while",
        "scan",
        "custom_jvp",
        "custom_vjp",
        "native_call",
        "unstack",
        "tile",
        "iota",
    ),
    *("n", "n + 1", "2*n", "n^9", "n^99999", "(n+m)^16", "floordiv(n, 0)", "max(n, m)", "m", "-n"),
    *([], {}, [[]], [0], [1, 1], ["x:0"], {"$float": "7ff8000000000001"}, {"$float": "zz"}),
    *({"$dimension": "n"}, {"$dimension": "q"}, {"$dimension": "1"}, ["float64", []]),
    *(["float64", [2, 3]], ["float64", [2**40]], ["float64", [0, 2**62]], ["float64", ["n"]]),
)


def _mixed(x, i, table):
    """Movement, indices, reductions, a table."""
    y = jnp.concatenate([x[::-1], jnp.pad(x, ((1, 1), (0, 0)))[:, ::2] @ x[:, :2].T @ x], 0)
    a, b = jnp.split(y, [2], axis=0)
    z = y.at[i].add(1.5)[jnp.array([0, -1])] * jnp.tile(a[0], 2)[:3]
    found = jnp.interp(x[0], table, table**2) + jnp.argmax(b, 1)[0] + lax.cumsum(x, 1).max()
    cut = lax.dynamic_slice(x, (i[0], i[1]), (1, 2))
    return {"z": [z, found], "cut": (cut, None, x.at[i].get(mode="fill", fill_value=jnp.nan))}


def _control(x, n):
    y = lax.cond(x[0] > 0, lambda v: jnp.sin(v), lambda v: v * 2.0, x)
    y = lax.switch(n, [lambda v: v, lambda v: -v, jax.nn.relu], y)
    z, rest = lax.scan(lambda c, a: (c + a, c * a), x[0], y, length=3)
    return lax.fori_loop(0, 3, lambda _, c: c + z, y), rest


def _sized(x):
    return x.reshape(-1), jnp.broadcast_to(x.sum(0), x.shape), x.shape[0] * x


@functools.cache
def files() -> tuple[bytes, ...]:
    """Whole files: of functions with all sorts of operations, of state, of unknown sizes."""
    x, i = np.arange(6.0).reshape(2, 3) - 2.5, np.array([1, 5], np.int32)
    (n,) = jax.export.symbolic_shape("n")
    line = capture(lambda p, x: p["w"] * x + p["b"], {"w": x[0], "b": x[1]}, x[0])
    graphs = [
        capture(_mixed, x, i, np.linspace(0.0, 1.0, 4)),
        capture(_control, x[0], np.int32(1)),
        capture(_sized, jax.ShapeDtypeStruct((n, 3), jnp.float64)),
        random_graph(3),
    ]
    held = GraphDef.of(line, held={0: {"w": x[0], "b": x[1]}}, metadata={"author": "test"})
    changed = GraphDef(held.graph, {"p.w": x[1], "p.b": x[1]}, held.signatures)
    return tuple(map(to_bytes, [*map(GraphDef.of, graphs), held, changed]))


def flipped(content: bytes, rng: np.random.Generator) -> bytes:
    """Some bits, bytes or stretches changed."""
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        place = int(rng.integers(len(damaged)))
        match rng.integers(4):
            case 0:
                damaged[place] ^= 1 << int(rng.integers(8))
            case 1:
                damaged[place] = int(rng.choice([0, 1, 127, 128, 255]))
            case 2:
                damaged[place : place + int(rng.integers(1, 9))] = rng.bytes(int(rng.integers(9)))
            case _:
                other = int(rng.integers(len(damaged)))
                size = int(rng.integers(1, 64))
                damaged[place : place + size] = damaged[other : other + size]
    return bytes(damaged)


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    """A part of the file, or a part put into another place, or two files in one."""
    a, b = sorted(int(n) for n in rng.integers(0, len(content) + 1, 2))
    other = files()[rng.integers(len(files()))]
    return (content[:b], content[a:], content[:a] + other[a:], content[:b] + content[a:])[
        rng.integers(4)
    ]


def with_mended_sums(
    content: bytes, change: Callable[[str, bytes, np.random.Generator], bytes], rng
) -> bytes:
    """A file with one part changed, and the checksums and sizes of what it is now."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    names = [name for name in parts if parts[name]]
    weights = np.array([6.0 if name == "graph.json" else 1.0 for name in names])
    name = names[rng.choice(len(names), p=weights / weights.sum())]
    manifest = json.loads(parts.pop("manifest.json"))
    if name == "manifest.json":
        manifest = json.loads(change(name, json.dumps(manifest).encode(), rng))
    else:
        parts[name] = change(name, parts[name], rng)
        part = Part.of(parts[name])
        manifest["parts"][name] = {"bytes": part.n_bytes, "sha256": part.sha256}
    return pack({"manifest.json": json.dumps(manifest).encode(), **parts})


def changed_part(name: str, content: bytes, rng: np.random.Generator) -> bytes:
    """JSON with some values changed; anything else with some bytes changed."""
    if not name.endswith(".json"):
        return flipped(content, rng)
    holder = [json.loads(content)]
    for _ in range(rng.integers(1, 4)):
        _change(holder, rng)
    return json.dumps(holder[0]).encode()


def _change(holder: list, rng: np.random.Generator) -> None:
    places = list(_places(holder))
    container, key = places[rng.integers(len(places))]
    others = [c[k] for c, k in places]
    value = container[key]
    match int(rng.integers(9)):
        case 0:
            container[key] = copy.deepcopy(_VALUES[rng.integers(len(_VALUES))])
        case 1 | 2:
            # Of the same sort, from elsewhere in the file: what is wrong is well formed.
            same = [o for o in others if type(o) is type(value)]
            container[key] = copy.deepcopy(same[rng.integers(len(same))])
        case 3 if isinstance(value, int | float):
            container[key] = value + int(rng.choice([-1, 1, 2, -2, 1000]))
        case 4 if container is not holder:
            del container[key]
        case 5 if isinstance(container, list) and container is not holder:
            container.insert(key, copy.deepcopy(others[rng.integers(len(others))]))
        case 6 if isinstance(value, list) and len(value) > 1:
            a, b = rng.integers(0, len(value), 2)
            value[a], value[b] = value[b], value[a]
        case 7 if isinstance(value, list) and value:
            value.append(copy.deepcopy(value[rng.integers(len(value))]))
        case 8 if isinstance(value, dict) and value:
            old = list(value)[rng.integers(len(value))]
            keys = ["after", "value", "subgraphs", "$float", "attributes", "shape", "axes", ""]
            value[keys[rng.integers(len(keys))]] = copy.deepcopy(value[old])
        case _:
            container[key] = copy.deepcopy(others[rng.integers(len(others))])


def _places(value):
    """All values in a JSON text, each as its container and key."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inside in list(pairs):
        yield value, key
        if isinstance(inside, dict | list):
            yield from _places(inside)
