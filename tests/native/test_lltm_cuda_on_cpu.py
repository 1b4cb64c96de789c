"""The kernels of lltm.cu, run on a CPU: each thread of a block is a thread.

There is no GPU where the tests run. What is checked so is the arithmetic: indices, tiles, barriers,
the order of the buffers. What is not: launches, streams and memory of a real GPU.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from gradion.extension import Operator, build_plan, check_operator, load

from .lltm_inputs import make

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "lltm"

# The words of CUDA that the file uses. Blocks run one after the other, so that what they share
# within a block can be static.
_CUDA_RUNTIME = """
#pragma once
#include <barrier>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>
#define __global__
#define __device__
#define __host__
#define __shared__ static
struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
inline thread_local dim3 threadIdx, blockIdx, blockDim;
inline thread_local std::barrier<>* block_barrier;
inline void __syncthreads() { block_barrier->arrive_and_wait(); }
using cudaStream_t = void*;
using cudaError_t = int;
constexpr int cudaSuccess = 0;
inline int cudaGetLastError() { return cudaSuccess; }
inline const char* cudaGetErrorString(int) { return ""; }

template <typename Kernel, typename... Arguments>
void Launch(Kernel kernel, dim3 grid, dim3 block, Arguments... arguments) {
  static std::mutex one_launch;
  const std::lock_guard<std::mutex> lock(one_launch);
  const unsigned n = block.x * block.y;
  std::barrier<> barrier(n);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < n; ++t)
    threads.emplace_back([=, &barrier] {
      block_barrier = &barrier;
      threadIdx = dim3(t % block.x, t / block.x);
      blockDim = block;
      for (unsigned k = 0; k < grid.x * grid.y; ++k) {
        blockIdx = dim3(k % grid.x, k / grid.x);
        kernel(arguments...);
        barrier.arrive_and_wait();
      }
    });
  for (std::thread& thread : threads) thread.join();
}

// XLA has no scratch memory on a CPU.
struct Scratch {
  std::vector<std::unique_ptr<char[]>> held;
  struct Got {
    void* memory;
    void* value_or(void*) const { return memory; }
  };
  Got Allocate(size_t bytes) {
    held.push_back(std::make_unique<char[]>(bytes));
    return {held.back().get()};
  }
};
"""


def for_a_cpu(source):
    """The CUDA source as C++: launches are calls, and stream and scratch memory come from here."""
    source = re.sub(r"(\w+)<<<([^;]*?), 0, stream>>>\(", r"Launch(\1, \2, ", source)
    context = "Ctx<ffi::PlatformStream<cudaStream_t>>().Ctx<ffi::ScratchAllocator>()"
    assert source.count(context) == 1
    source = source.replace(".CONTEXT.INPUTS", ".INPUTS").replace(context, "")
    context_arguments = r"cudaStream_t stream, ffi::ScratchAllocator scratch, "
    handler = r"(ffi::Error (?:Forward|Saving|Jvp|Vjp)\()" + context_arguments
    source, handlers = re.subn(handler, r"\1", source)
    assert handlers == 4
    checked = "if (!shapes.ok()) return shapes.error();"
    source = source.replace(checked, checked + " cudaStream_t stream = nullptr; Scratch scratch;")
    return source.replace("ffi::ScratchAllocator&", "Scratch&")


@pytest.mark.slow
def test_the_kernels_pass_the_check_of_the_operator(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(build_plan, "find_nvcc", lambda: None)
    monkeypatch.syspath_prepend(str(EXAMPLE))
    import lltm.cell

    (tmp_path / "cuda_runtime.h").write_text(_CUDA_RUNTIME, encoding="ascii")
    (tmp_path / "kernels.cc").write_text(for_a_cpu((EXAMPLE / "lltm" / "lltm.cu").read_text()))
    flags = ["-std=c++20", "-O1", f"-I{tmp_path}", f"-I{EXAMPLE / 'lltm'}"]
    library = load("lltm_kernels", tmp_path / "kernels.cc", flags=flags)
    declared = lltm.cell.lltm.declaration
    operator = Operator(
        "lltm_kernels",
        inputs=declared.inputs,
        outputs=declared.outputs,
        residuals=declared.residuals,
        forward=library.target("LltmForward"),
        saving=library.target("LltmSaving"),
        jvp=library.target("LltmJvp"),
        vjp=library.target("LltmVjp"),
        reference=declared.reference,
    )
    # Several tiles with a rest in each direction; less than one tile.
    examples = [
        make({"batch": 19, "columns": 37, "state": 17}),
        make({"batch": 3, "columns": 7, "state": 2}),
    ]
    # float32: sums of up to 74 products, and the slopes of what they give.
    report = check_operator(operator, *examples, make=make, rtol=2e-5, verbose=False)
    report.raise_failures()
    for name in [name for name in sys.modules if name.partition(".")[0] == "lltm"]:
        del sys.modules[name]
