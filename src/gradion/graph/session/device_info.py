"""What a session can run on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

__all__ = ["DeviceInfo"]


@final
@dataclass(frozen=True)
class DeviceInfo:
    """A device: its name (`cpu:0`), platform, kind, and memory [bytes]; None if not known."""

    name: str
    platform: str
    kind: str
    memory: int | None
