"""Source files of an extension, and the headers of its own that they include."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from gradion.foundation.errors import InputError, near_names

__all__ = ["digest_of_files", "included_files", "source_paths"]

# Not the target of a macro: which file that names only the preprocessor knows.
_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include(?:_next)?[ \t]*(["<])([^">\n]+)[">]', re.MULTILINE)

_Sources = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def source_paths(sources: _Sources, *, where: str, argument: str) -> tuple[Path, ...]:
    """Full paths of source files, which may be one path or several.

    Relative paths start at the working folder. Raises TypeError for anything but paths, and
    InputError, with near names, for a file that does not exist.
    """
    several = [sources] if isinstance(sources, str | os.PathLike) else sources
    paths = []
    for source in several:
        if not isinstance(source, str | os.PathLike):
            raise TypeError(f"{where}: {argument}: got {source!r}, expected paths of files")
        path = Path(source).absolute()
        if not path.is_file():
            folder = path.parent
            known = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
            near = near_names(path.name, known)
            raise InputError(
                f"{argument}: there is no file {os.fspath(source)!r}"
                + ("" if path.parent.is_dir() else f", nor a folder {str(folder)!r}"),
                where=where,
                mend=f"did you mean {' or '.join(near)}?"
                if near
                else "relative paths start at the working folder; a file beside a module is "
                "Path(__file__).with_name(...)",
            )
        paths.append(path)
    return tuple(paths)


def included_files(paths: Sequence[Path], folders: Sequence[Path]) -> tuple[Path, ...]:
    """The files of the user's that `paths` include, those that these include, and so on.

    Looked for beside the including file and in `folders`. What is found in neither is the
    system's or jaxlib's. Lines within comments or a false #if count as well: a file more in the
    key costs at most a build.
    """
    seen = dict.fromkeys(paths)
    waiting = list(paths)
    while waiting:
        path = waiting.pop(0)
        for found in _includes(path, folders):
            if found not in seen:
                seen[found] = None
                waiting.append(found)
    return tuple(list(seen)[len(set(paths)) :])


def digest_of_files(paths: Sequence[Path]) -> str:
    """A digest of the names and contents of files, in this order; their folders do not count."""
    digest = hashlib.sha256()
    for path in paths:
        content = _content(path)
        digest.update(f"{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _includes(path: Path, folders: Sequence[Path]) -> Iterator[Path]:
    for quote, name in _INCLUDE.findall(_content(path)):
        beside = [path.parent] if quote == b'"' else []
        for folder in (*beside, *folders):
            candidate = Path(os.path.normpath(folder / os.fsdecode(name)))
            if candidate.is_file():
                yield candidate
                break


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path)) from None
