"""Graphs in files: definitions, saved, loaded, and imported into other graphs."""

from gradion.graph.definition.derived import read_stablehlo
from gradion.graph.definition.graph_def import GraphDef
from gradion.graph.definition.graph_file import from_bytes, load, save, to_bytes
from gradion.graph.definition.import_graph import Imported, import_graph
from gradion.graph.definition.limits import Limits
from gradion.graph.definition.named_signature import NamedSignature
from gradion.graph.definition.named_tuple import NamedTuple
from gradion.graph.definition.tree import Tree, TreeKind

__all__ = [
    "GraphDef",
    "Imported",
    "Limits",
    "NamedSignature",
    "NamedTuple",
    "Tree",
    "TreeKind",
    "from_bytes",
    "import_graph",
    "load",
    "read_stablehlo",
    "save",
    "to_bytes",
]
