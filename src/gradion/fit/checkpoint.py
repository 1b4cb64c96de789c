"""How far a fit has come, in a file that survives a kill at any moment.

A checkpoint is a safetensors file: arrays, and a header of JSON with the fingerprint of the
problem and a checksum over everything. It is written under a temporary name, flushed to disk
and renamed; the one before is kept beside it as `<name>.previous`. So at any moment at least
one whole generation lies there, and one that is damaged all the same is recognised and passed
over.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np

from gradion.fit.fingerprint import first_difference
from gradion.foundation.errors import InputError

__all__ = ["Checkpoint", "has_checkpoint", "read_checkpoint", "write_checkpoint"]

_FORMAT = "gradion-fit-checkpoint"
_VERSION = "1"


@final
class Checkpoint(NamedTuple):
    """Arrays by name, facts as JSON knows them, and the fingerprint of the problem by section."""

    arrays: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]
    fingerprint: Mapping[str, str]


def has_checkpoint(path: str | os.PathLike[str]) -> bool:
    """Whether a checkpoint, of either generation, lies at `path`; it may be damaged."""
    return Path(path).exists() or _previous(Path(path)).exists()


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; it appears whole or not at all. Raises OSError as the disk does."""
    from safetensors.numpy import save  # few programs save: not at import

    content = json.dumps(
        {"facts": checkpoint.facts, "fingerprint": dict(checkpoint.fingerprint)}, sort_keys=True
    )
    arrays = {
        name: np.ascontiguousarray(array).reshape(np.shape(array))
        for name, array in checkpoint.arrays.items()
    }
    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "content": content,
        "checksum": _checksum(content, arrays),
    }
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as file:
        file.write(save(arrays, metadata=header))
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        path.replace(_previous(path))
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new names themselves
    finally:
        os.close(folder)


def read_checkpoint(path: Path, fingerprint: Mapping[str, str]) -> Checkpoint | None:
    """The newest whole checkpoint at `path`; None if there is none of either generation.

    If the newest is damaged, the one before is read, with a warning, and the damaged one removed.
    Raises InputError if all are damaged, and if the
    fingerprint differs: it says what of the problem has changed.
    """
    complaints = []
    for candidate in (path, _previous(path)):
        if not candidate.exists():
            continue
        try:
            found = _read(candidate)
        except _DamagedError as error:
            complaints.append(f"{candidate.name} {error}")
            continue
        if complaints:
            warnings.warn(
                f"{path.parent}: {complaints[0]}; going on from {candidate.name}", stacklevel=2
            )
            # Else the next write would put the damaged file in place of the good one.
            path.unlink()
        difference = first_difference(found.fingerprint, fingerprint)
        if difference is not None:
            raise InputError(
                f"belongs to another fit: {difference}",
                where=str(candidate),
                mend="restore what was changed, or start afresh without resuming",
            )
        return found
    if complaints:
        raise InputError(
            "; ".join(complaints), where=str(path), mend="start afresh without resuming"
        )
    return None


class _DamagedError(Exception):
    """A file is no whole checkpoint."""


def _read(path: Path) -> Checkpoint:
    from safetensors import SafetensorError, safe_open  # as in write_checkpoint

    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dict
    except (SafetensorError, OSError) as error:
        raise _DamagedError(f"cannot be read ({error})") from None
    if header.get("format") != _FORMAT or header.get("version") != _VERSION:
        raise _DamagedError(f"is no checkpoint of version {_VERSION}")
    content = header.get("content", "")
    if header.get("checksum") != _checksum(content, arrays):
        raise _DamagedError("has a wrong checksum")
    known = json.loads(content)
    return Checkpoint(arrays, known["facts"], known["fingerprint"])


def _checksum(content: str, arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(content.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _previous(path: Path) -> Path:
    return path.with_name(f"{path.name}.previous")
