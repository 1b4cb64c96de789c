"""Write the stored file of a format version, which all later versions have to read.

    python tests/unit/graph/definition/data/make_stored_file.py

Run once a format version; a stored file is never written again.
"""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from gradion.graph import capture
from gradion.graph.definition import GraphDef, save
from gradion.graph.definition.manifest import FORMAT_VERSION
from gradion.module import Module, Parameter

ODD = np.array([-0.0, np.inf, -np.inf, np.nan])


class Decay(Module):
    """x' = -rate x, by explicit steps of h; the rate is zero where x is negative."""

    def __init__(self) -> None:
        super().__init__()
        self.rate = Parameter(0.5, unit="1/s")
        self.register_buffer("h", jnp.asarray(0.25))

    def forward(self, x):
        with jax.named_scope("steps"):
            rate = lax.cond(x.sum() > 0.0, lambda r: r, lambda r: 0.0 * r, self.rate)
            return lax.scan(lambda c, _: (c - self.h * rate * c, c), x, None, length=3)


def function(decay, data):
    last, path = decay(data["x"])
    picked = path[jnp.array([0, 2]), data["i"]]
    return {"last": last, "picked": (picked, None), "odd": jnp.asarray(ODD) * data["b"]}


def main() -> None:
    """Write the file."""
    data = {"x": np.array([1.0, 2.0]), "i": np.array([1, 0], np.int32), "b": np.float32(1.0)}
    definition = GraphDef.of(
        capture(function, Decay(), data), held={0: Decay()}, metadata={"note": "a stored file"}
    )
    fitted = {**definition.variables, "rate": np.float64(1.0)}
    name = "format_{}_{}.gradion".format(*FORMAT_VERSION)
    save(
        GraphDef(definition.graph, fitted, definition.signatures, definition.metadata),
        Path(__file__).with_name(name),
    )


if __name__ == "__main__":
    main()
