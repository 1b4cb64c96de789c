"""Extensions in a package that hatchling builds.

    # pyproject.toml
    [build-system]
    requires = ["hatchling>=1.24", "gradion", "jaxlib==0.10.2"]
    build-backend = "hatchling.build"

    [[tool.hatch.build.targets.wheel.hooks.gradion.extensions]]
    name = "mypackage.lltm"
    sources = ["src/mypackage/lltm.cc"]

`mypackage/lltm.so` is then in the wheel, and `gradion.extension.load_prebuilt` loads it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.plugin import hookimpl

from gradion.extension.flags import Flags
from gradion.extension.packaging.native_extension import NativeExtension, wheel_tag
from gradion.foundation.errors import InputError, unknown_name

__all__ = ["GradionBuildHook", "hatch_register_build_hook"]

_KEYS = frozenset({"name", "sources", "cuda-sources", "flags", "cuda-flags"})
_WHERE = "[tool.hatch.build] hooks.gradion"


@final
class GradionBuildHook(BuildHookInterface):
    """Builds each table of `extensions` into the wheel.

    A table has `name` (dotted: package and stem), `sources`, `cuda-sources`, `flags` and
    `cuda-flags`, all but the name lists of strings. With `package-dir` (default: `src` if there is
    one) an editable installation finds the package, and has the files put into it.
    """

    PLUGIN_NAME = "gradion"

    _room: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, and say where the files go. Raises InputError for a table that is wrong."""
        if self.target_name != "wheel":
            return
        extensions = self._extensions()
        if version == "editable":  # string: hatch has it so
            for extension in extensions:
                place = extension.path_in_package(extension.files[0])
                extension.build(Path(self._package_root(), place).parent, verbose=True)
            return
        room = self._room = Path(tempfile.mkdtemp(prefix="gradion-wheel-"))
        build_data["pure_python"] = False
        build_data["tag"] = wheel_tag()
        try:
            for extension in extensions:
                for path in extension.build(room / extension.name, verbose=True):
                    build_data["force_include"][str(path)] = extension.path_in_package(path.name)
        except BaseException:
            # hatch does not call finalize then.
            shutil.rmtree(room, ignore_errors=True)
            raise

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was built: it is in the wheel now."""
        if self._room is not None:
            shutil.rmtree(self._room, ignore_errors=True)

    def _extensions(self) -> list[NativeExtension]:
        tables = self.config.get("extensions", [])
        if not isinstance(tables, list) or not tables:
            raise InputError(
                "has no extensions", where=_WHERE, mend="add a table [[...gradion.extensions]]"
            )
        return [self._extension(table) for table in tables]

    def _extension(self, table: Mapping[str, Any]) -> NativeExtension:
        for key in table:
            if key not in _KEYS:
                raise unknown_name("key", key, _KEYS, where=_WHERE)
        if not isinstance(table.get("name"), str):
            raise InputError("an extension has no name", where=_WHERE, mend='add name = "..."')
        lists = {key: table.get(key, []) for key in sorted(_KEYS - {"name"})}
        for key, value in lists.items():
            if not isinstance(value, list):
                raise InputError(f"{key} is {value!r}", where=_WHERE, mend="write a list")
        return NativeExtension.of(
            table["name"],
            sources=lists["sources"],
            cuda_sources=lists["cuda-sources"],
            flags=Flags(cpp=tuple(lists["flags"]), cuda=tuple(lists["cuda-flags"])),
            root=Path(self.root),
        )

    def _package_root(self) -> Path:
        named = self.config.get("package-dir")
        if named is not None:
            return Path(self.root, named)
        source = Path(self.root, "src")
        return source if source.is_dir() else Path(self.root)


@hookimpl
def hatch_register_build_hook() -> type[GradionBuildHook]:
    """Tell hatch of the hook."""
    return GradionBuildHook
