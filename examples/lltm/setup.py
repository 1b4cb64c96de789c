"""Build lltm.so into the package, and lltm.cuda.so where the environment has LLTM_CUDA=1."""

import os

from setuptools import setup

from gradion.extension import Flags
from gradion.extension.packaging.setuptools_hook import (
    BuildExtension,
    BuildWheel,
    CppExtension,
    CUDAExtension,
)

FLAGS = ["-fno-trapping-math"]

if os.environ.get("LLTM_CUDA") == "1":
    extension = CUDAExtension(
        "lltm.lltm", ["lltm/lltm.cu"], sources=["lltm/lltm.cc"], flags=Flags(cpp=FLAGS)
    )
else:
    extension = CppExtension("lltm.lltm", ["lltm/lltm.cc"], flags=FLAGS)

setup(
    packages=["lltm"],
    ext_modules=[extension],
    cmdclass={"build_ext": BuildExtension, "bdist_wheel": BuildWheel},
)
