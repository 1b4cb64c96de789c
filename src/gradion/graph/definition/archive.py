"""The zip around the parts of a graph: a few members of known names, bounded and checked."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import BinaryIO, Final, final

from gradion.foundation.errors import InputError

__all__ = ["Archive", "pack"]

# No folders, no other characters: a name can be no path.
_NAME: Final = re.compile(r"[a-z0-9_]{1,40}(\.[a-z0-9_]{1,20}){1,3}", re.ASCII)
_MOST_MEMBERS: Final = 32
# The last record of a zip without a comment (PKWARE's APPNOTE 6.3.10, section 4.3.16): signature,
# disks, members on this disk and in all, size and offset of the directory, length of the comment.
_END: Final = struct.Struct("<4s4H2LH")
_END_SIGNATURE: Final = b"PK\x05\x06"
_FIRST_SIGNATURE: Final = b"PK\x03\x04"
# A description behind the data, and names in UTF-8: nothing encrypted, nothing patched.
_KNOWN_FLAGS: Final = 0x0008 | 0x0800
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_FAILURES: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)
_MEND: Final = "the file is damaged or no file of a graph: get it again"


def pack(members: Mapping[str, bytes]) -> bytes:
    """A zip of these members in this order; the same bytes for the same members.

    JSON is deflated. Arrays are stored as they are: then the file bounds what unpacking takes.
    Raises InputError if the zip would have 4 GiB or more.
    """
    buffer = io.BytesIO()
    try:
        with zipfile.ZipFile(buffer, "w", allowZip64=False) as archive:
            for name, content in members.items():
                info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                info.create_system = 3  # as on Unix, wherever it is written
                info.external_attr = 0o644 << 16
                is_text = name.endswith(".json")
                info.compress_type = zipfile.ZIP_DEFLATED if is_text else zipfile.ZIP_STORED
                archive.writestr(info, content, compresslevel=9)
    except zipfile.LargeZipFile:
        raise InputError(
            "a file of a graph holds less than 4 GiB", mend="keep large arrays out of the graph"
        ) from None
    return buffer.getvalue()


@final
class Archive:
    """A zip that is being read. Raises InputError for one that is damaged or strange."""

    def __init__(self, file: BinaryIO, where: str, *, most_bytes: int) -> None:
        self.where = where
        size = file.seek(0, io.SEEK_END)
        if size > most_bytes:
            raise InputError(
                f"has {size} bytes, at most {most_bytes}",
                where=where,
                mend="give Limits(file_bytes=...) if you trust the file",
            )
        self._check_ends(file, size)
        try:
            self._zip = zipfile.ZipFile(file)
        except _FAILURES as error:
            raise self._error(f"is no zip: {_told(error)}") from None
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            self._take(info)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the members."""
        return tuple(self._members)

    def size(self, name: str) -> int:
        """The size of a member, unpacked, as the zip declares it."""
        return self._members[name].file_size

    def read(self, name: str, *, most_bytes: int | None = None) -> bytes:
        """A member; without a bound it has to be stored as it is, so that the file bounds it."""
        info = self._members[name]
        if most_bytes is None and info.compress_type != zipfile.ZIP_STORED:
            raise self._error(f"{name} is compressed; arrays are stored as they are")
        if most_bytes is not None and info.file_size > most_bytes:
            raise InputError(
                f"{name} has {info.file_size} bytes unpacked, at most {most_bytes}",
                where=self.where,
                mend="give Limits(text_bytes=...) if you trust the file",
            )
        try:
            # It unpacks no more than is declared, and compares the checksum of the zip.
            with self._zip.open(info) as member:
                content = member.read()
        except _FAILURES as error:
            raise self._error(f"{name} cannot be unpacked: {_told(error)}") from None
        if len(content) != info.file_size:
            raise self._error(f"{name} has {len(content)} bytes, not {info.file_size}")
        return content

    def _check_ends(self, file: BinaryIO, size: int) -> None:
        """Nothing in front, nothing behind, and few members: before zipfile reads them all."""
        if size < _END.size:
            raise self._error("is no zip, or is cut off")
        file.seek(0)
        first = file.read(4)
        file.seek(size - _END.size)
        end = _END.unpack(file.read(_END.size))
        if first != _FIRST_SIGNATURE or end[0] != _END_SIGNATURE:
            raise self._error("is no zip, or is cut off")
        _, disk, start_disk, on_disk, count, length, offset, comment = end
        if disk or start_disk or on_disk != count or comment:
            raise self._error("is a zip of a form that a graph is not written in")
        if count > _MOST_MEMBERS:
            raise self._error(f"has {count} members, at most {_MOST_MEMBERS}")
        if offset + length + _END.size != size:
            raise self._error("is a zip with other bytes between its parts")

    def _take(self, info: zipfile.ZipInfo) -> None:
        name = info.orig_filename
        if not _NAME.fullmatch(name):
            raise self._error(f"the member {name[:100]!r}: expected the plain name of a file")
        if name in self._members:
            raise self._error(f"the member {name} is there twice")
        if info.flag_bits & ~_KNOWN_FLAGS or info.compress_type not in _METHODS:
            raise self._error(f"the member {name} is encrypted, or packed in an unknown way")
        self._members[name] = info

    def _error(self, what: str) -> InputError:
        return InputError(what, where=self.where, mend=_MEND)


def _told(error: Exception) -> str:
    """The message, shortened: zipfile quotes names of any length."""
    return str(error)[:100]
