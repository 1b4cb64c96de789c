"""Control volumes in one dimension."""

from gradion.numerics.mesh.line import LineMesh
from gradion.numerics.mesh.radial import RadialMesh

__all__ = ["LineMesh", "RadialMesh"]
