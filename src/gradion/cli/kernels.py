"""`gradion kernels`: build, list, check and clean gradion's native code."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from gradion.foundation.errors import InputError, unknown_name

if TYPE_CHECKING:
    from gradion.extension.kernel import Kernel

__all__ = ["kernels_app"]

_NUMERICAL_FAILURE = 1

kernels_app = typer.Typer(
    name="kernels",
    help=(
        "Build, list, check and clean gradion's native code.\n\n"
        "A kernel is built for this processor when it is first called, and kept. `gradion kernels "
        "build` does it beforehand, in an image or on a login node, say."
    ),
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

_Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Kernels by name; all if none.")
]


@kernels_app.command("list")
def _list(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """List the kernels, and whether each is built for this compiler and processor.

    Examples:

        gradion kernels list

        gradion kernels list --json
    """
    from gradion.extension.toolchain import CompilerNotFoundError

    rows = []
    for kernel in _chosen(None):
        try:
            file = kernel.built_file()
            state = "not built" if file is None else "built"
        except CompilerNotFoundError:
            file, state = None, "no compiler: runs on its reference"
        rows.append(
            {
                "name": kernel.name,
                "state": state,
                "source": str(kernel.source),
                "library": None if file is None else str(file),
            }
        )
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("kernel", "state", "library"):
        table.add_column(title)
    for row in rows:
        table.add_row(row["name"], row["state"], row["library"] or "")
    Console(soft_wrap=True).print(table)


@kernels_app.command("build")
def _build(
    names: _Names = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show commands and warnings.")
    ] = False,
) -> None:
    """Build kernels that are not built yet, for this processor.

    All are tried; a failure shows the compiler's lines. Exit status 2 if one failed.

    Examples:

        gradion kernels build

        gradion kernels build numerics.segment_sum --verbose
    """
    from gradion.extension.build import BuildError

    failed = []
    for kernel in _chosen(names):
        there = kernel.built_file()
        start = time.perf_counter()
        try:
            path = kernel.build(verbose=verbose).paths["cpu"]
        except BuildError as error:
            failed.append(kernel.name)
            typer.echo("\n".join([str(error), *error.__notes__]), err=True)
            continue
        how = "was built" if there else f"built in {time.perf_counter() - start:.1f} s"
        typer.echo(f"{kernel.name}: {how}, {path}")
    if failed:
        raise InputError(
            f"not built: {', '.join(failed)}",
            where="gradion kernels build",
            mend="the compiler's lines stand above; another compiler can be named in CXX",
        )


@kernels_app.command("check")
def _check(names: _Names = None) -> None:
    """Compare kernels with their references on this machine, and print tables.

    Values, derivatives, maps, layouts and sizes; two runs and any number of threads bit by bit.
    Exit status 1 if a comparison fails.

    Examples:

        gradion kernels check

        gradion kernels check numerics.segment_sum
    """
    failed = [kernel.name for kernel in _chosen(names) if not kernel.check().passed]
    if failed:
        typer.echo(f"failed: {', '.join(failed)}", err=True)
        raise typer.Exit(_NUMERICAL_FAILURE)


@kernels_app.command("clean")
def _clean(
    names: _Names = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what `gradion.extension.load` built for you.")
    ] = False,
) -> None:
    """Remove built kernels from the cache, those of other versions too.

    Running programs go on. Examples:

        gradion kernels clean

        gradion kernels clean --all
    """
    from gradion.extension.build_cache import open_cache

    if everything and names:
        raise InputError("--all removes everything", mend="give names or --all, not both")
    chosen = _chosen(names)
    cache = open_cache()
    if cache is None:
        typer.echo("removed 0 builds: there is no home folder, so none is kept")
        return
    try:
        if everything:
            count = cache.clean()
        else:
            count = sum(cache.clean(kernel.library_name) for kernel in chosen)
    except OSError as error:
        raise InputError(
            f"cannot be removed ({error.strerror})",
            where=os.fspath(error.filename or cache.folder),
            mend="its folder must be writable",
        ) from None
    typer.echo(f"removed {count} build{'' if count == 1 else 's'} from {cache.folder}")


def _chosen(names: list[str] | None) -> list[Kernel]:
    """The kernels of these names, each once, or all."""
    from gradion.extension.kernel import find_kernels

    known = {kernel.name: kernel for kernel in find_kernels()}
    for name in names or ():
        if name not in known:
            raise unknown_name("kernel", name, known, where="gradion kernels")
    return [known[name] for name in dict.fromkeys(names or known)]
