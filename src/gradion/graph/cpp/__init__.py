"""C++ of graphs: text, compiled functions, folders to take elsewhere."""

from gradion.graph.cpp.cpp_function import CppFunction, compile_cpp
from gradion.graph.cpp.cpp_jacobian import CppJacobian
from gradion.graph.cpp.export import export_folder
from gradion.graph.cpp.source import CppOptions, CppSource, write_cpp

__all__ = [
    "CppFunction",
    "CppJacobian",
    "CppOptions",
    "CppSource",
    "compile_cpp",
    "export_folder",
    "write_cpp",
]
