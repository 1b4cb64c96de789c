"""What processors this machine has, as far as compiled code depends on it."""

from __future__ import annotations

import functools
import platform
from pathlib import Path

__all__ = ["gpu_models", "processor_identity"]

_CPU_INFO = Path("/proc/cpuinfo")
_GPU_INFO = Path("/proc/driver/nvidia/gpus")
# Lines that differ from one boot or one moment to the next.
_FLEETING = frozenset(
    {"processor", "cpu MHz", "bogomips", "BogoMIPS", "physical id", "core id", "apicid"}
    | {"initial apicid", "siblings", "cpu cores", "microcode"}
)


@functools.cache
def processor_identity() -> str:
    """Model and instruction sets of the processor: what `-march=native` depends on.

    A library built for one processor must not be taken from a shared cache by another. Where the
    system has no list of instruction sets, the name of the processor has to do.
    """
    try:
        with _CPU_INFO.open(encoding="utf-8", errors="replace") as file:
            # The first processor: the others are alike, and there may be hundreds.
            lines = []
            for line in file:
                if not line.strip():
                    break
                lines.append(line)
    except OSError:
        lines = []
    known = {key.strip(): value.strip() for key, _, value in (li.partition(":") for li in lines)}
    kept = [f"{key}={value}" for key, value in sorted(known.items()) if key not in _FLEETING]
    return "\n".join([platform.machine(), *(kept or [platform.processor()])])


def gpu_models() -> tuple[str, ...]:
    """Models of the NVIDIA GPUs that the driver lists, sorted; empty where there is none.

    Read from the driver's files: asking CUDA would start it in this process.
    """
    try:
        texts = [path.read_text(errors="replace") for path in _GPU_INFO.glob("*/information")]
    except OSError:
        return ()
    models = [
        line.partition(":")[2].strip()
        for text in texts
        for line in text.splitlines()
        if line.startswith("Model:")
    ]
    return tuple(sorted(set(models)))
