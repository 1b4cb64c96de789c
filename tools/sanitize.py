"""Run the tests of native code with AddressSanitizer and UndefinedBehaviorSanitizer built in.

    python tools/sanitize.py                      tests/native
    python tools/sanitize.py tests/native -k pairs

Every kernel and example that the tests build is compiled by the compiler of CXX (c++ if unset) with
both sanitizers. Before the tests, a handler that reads past its buffer and one that overflows an
int must be caught: a run that would find nothing fails. Leaks are not looked for: Python and XLA
keep memory on purpose. Needs GCC and its run-time libraries. The exit status is that of pytest, 1
where a mistake was not caught, 2 where the sanitizers cannot be used.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

__all__ = ["main", "sanitized_environment"]

ROOT = Path(__file__).resolve().parent.parent
# -Og compiles in two thirds of the time of -O1, and removes no more of what could be caught.
_FLAGS = (
    "-Og -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
)
# The C++ library too: else the sanitizer, loaded before it, does not find what throws exceptions.
_PRELOADED = ("libasan.so", "libstdc++.so.6")

_FAULTY = """\
#include "xla/ffi/api/ffi.h"
namespace ffi = xla::ffi;
using In = ffi::BufferR1<ffi::S32>;
using Out = ffi::Result<In>;
static ffi::Error Past(In x, Out y) {
  int* own = new int[x.element_count()]();
  y->typed_data()[0] = own[x.element_count() + x.typed_data()[0]];
  delete[] own;
  return ffi::Error::Success();
}
static ffi::Error Overflow(In x, Out y) {
  y->typed_data()[0] = x.typed_data()[0] + 2147483647;
  return ffi::Error::Success();
}
XLA_FFI_DEFINE_HANDLER_SYMBOL(Past_, Past, ffi::Ffi::Bind().Arg<In>().Ret<In>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(Overflow_, Overflow, ffi::Ffi::Bind().Arg<In>().Ret<In>());
"""
_CALL = """\
import sys
import jax, jax.numpy as jnp
from gradion.extension import load
target = load("faulty", sys.argv[1]).target(sys.argv[2])
x = jnp.full(3, int(sys.argv[3]), jnp.int32)
print(jax.jit(jax.ffi.ffi_call(target.name, x))(x))
"""
# What is called, with which value, and what must be said of it. The first is in order.
_TRIALS = (
    ("Past_", "-1", None),
    ("Past_", "2", "heap-buffer-overflow"),
    ("Overflow_", "1", "signed integer overflow"),
)


def main(arguments: list[str]) -> int:
    """Try the sanitizers, then run pytest under them."""
    environment = sanitized_environment()
    if environment is None:
        print("sanitize: the compiler has no libasan.so (is it GCC?)", file=sys.stderr)
        return 2
    folder = ROOT / ".cache" / "sanitized"
    folder.mkdir(parents=True, exist_ok=True)
    environment["GRADION_CACHE"] = str(folder)
    if not _mistakes_are_caught(folder, environment):
        return 1
    chosen = arguments or ["tests/native"]
    # nvcc does not run where a sanitizer is loaded before it. Pages call nothing that tests do not.
    selected = ["-m", "not peers and not slow", "-k", "not cuda and not nvcc and not page"]
    command = [sys.executable, "-m", "pytest", *selected, *chosen]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def sanitized_environment() -> dict[str, str] | None:
    """The environment in which extensions are built with sanitizers, and load; None without GCC."""
    compiler = shlex.split(os.environ.get("CXX", "") or "c++")
    preloaded = []
    for name in _PRELOADED:
        found = subprocess.run(
            [*compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=False
        ).stdout.strip()
        # A name without a folder is the answer for a library that is not there.
        if not Path(found).is_absolute():
            return None
        preloaded.append(found)
    return {
        **os.environ,
        "CXX": f"{shlex.join(compiler)} {_FLAGS}",
        "LD_PRELOAD": ":".join(preloaded),
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }


def _mistakes_are_caught(folder: Path, environment: dict[str, str]) -> bool:
    source = folder / "faulty.cc"
    source.write_text(_FAULTY, encoding="ascii")
    for symbol, value, complaint in _TRIALS:
        done = subprocess.run(
            [sys.executable, "-c", _CALL, str(source), symbol, value],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        as_it_should = (
            done.returncode == 0
            if complaint is None
            else done.returncode != 0 and complaint in done.stderr
        )
        if not as_it_should:
            print(
                f"sanitize: {symbol}({value}) ended with {done.returncode}, expected "
                f"{complaint or 'no complaint'}\n{done.stderr}",
                file=sys.stderr,
            )
            return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
