"""`gradion graph`: look at files of graphs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradion.foundation.errors import InputError

if TYPE_CHECKING:
    from gradion.graph.definition import GraphDef

__all__ = ["graph_app"]

_DIFFERENT = 1

graph_app = typer.Typer(
    name="graph",
    help=(
        "Look at graphs in files: as a list, in numbers, beside each other, as a picture.\n\n"
        "`gradion.graph.definition.save` writes such files. Nothing in a file is executed."
    ),
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

_File = Annotated[Path, typer.Argument(metavar="FILE", help="A file of a graph, *.gradion.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
_Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="The file to write; else it is printed.")
]


@graph_app.command("show")
def _show(
    path: _File,
    scope: Annotated[str | None, typer.Option("--scope", help="List this scope alone.")] = None,
    operation: Annotated[
        str | None, typer.Option("--operation", help="Tell all about this operation.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=0, help="List so many operations at most.")
    ] = None,
) -> None:
    """List a graph: a line an operation, with types, attributes and line of code.

    Examples:

        gradion graph show model.gradion

        gradion graph show model.gradion --scope loss --limit 20

        gradion graph show model.gradion --operation loss/reduce_sum_1
    """
    definition = _load(path)
    from gradion.graph.render import describe_operation, to_text

    if operation is not None:
        if scope is not None or limit is not None:
            raise InputError("--operation tells of one operation", mend="drop --scope and --limit")
        _print(describe_operation(definition.graph, operation))
        return
    listing = to_text(definition.graph, scope=scope, limit=limit)
    if scope is None:
        listing = "\n".join([*_signatures(definition), listing])
    _print(listing)


@graph_app.command("summary")
def _summary(path: _File, as_json: _Json = False) -> None:
    """Count and measure a graph: kinds, scopes, variables, constants, flops, memory, operators.

    Examples:

        gradion graph summary model.gradion

        gradion graph summary model.gradion --json
    """
    definition = _load(path)
    from gradion.graph.render import summarise

    found = summarise(definition.graph)
    _print(json.dumps(found.as_json(), indent=2) if as_json else str(found))


@graph_app.command("diff")
def _diff(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="A file of a graph.")],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="Another.")],
    as_json: _Json = False,
) -> None:
    """Compare two graphs: operations added, removed and changed, and values of variables.

    Operations that only have other names, scopes or lines are equal. Exit status: 0 equal,
    1 different, 2 bad input.

    Examples:

        gradion graph diff before.gradion after.gradion

        gradion graph diff before.gradion after.gradion --json
    """
    old, new = _load(before), _load(after)
    from gradion.graph.render import compare_graphs

    found = compare_graphs(old.graph, new.graph, variables=(old.variables, new.variables))
    _print(json.dumps(found.as_json(), indent=2) if as_json else str(found))
    if not found.is_equal:
        raise typer.Exit(_DIFFERENT)


@graph_app.command("dot")
def _dot(path: _File, output: _Output = None) -> None:
    """Write a graph for Graphviz, with its scopes as clusters.

    Examples:

        gradion graph dot model.gradion | dot -Tpdf -o model.pdf

        gradion graph dot model.gradion -o model.dot
    """
    definition = _load(path)
    from gradion.graph.render import to_dot

    text = to_dot(definition.graph)
    if output is None:
        _print(text.rstrip("\n"))
    else:
        _write(output, text)


@graph_app.command("picture")
def _picture(
    path: _File,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write: *.html or *.svg.")
    ],
    depth: Annotated[
        int | None,
        typer.Option("--depth", min=0, help="Fold scopes that have so many boxes around them."),
    ] = None,
) -> None:
    """Draw a graph: a page that folds, searches and explains (*.html), or a picture (*.svg).

    Neither needs anything else, nor a network. Without --depth so much is folded that the rest is
    seen at one look.

    Examples:

        gradion graph picture model.gradion -o model.html

        gradion graph picture model.gradion -o model.svg --depth 1
    """
    from gradion.graph.render import to_html, to_svg

    suffix = output.suffix.lower()
    if suffix not in (".html", ".htm", ".svg"):
        raise InputError(
            f"cannot draw a file of the kind {suffix!r}",
            where=str(output),
            mend="use .html or .svg",
        )
    definition = _load(path)
    if suffix == ".svg":
        text = to_svg(definition.graph, depth=depth)
    else:
        text = to_html(definition.graph, depth=depth, title=path.name)
    _write(output, text)


def _load(path: Path) -> GraphDef:
    from gradion.graph.definition import load

    return load(path)


def _signatures(definition: GraphDef) -> list[str]:
    """The ways to call the graph: names for users, types, and what they are in the graph."""
    from gradion.graph.render import plain

    def line(name: str, tensor: str) -> str:
        operation, _, index = tensor.rpartition(":")
        found = definition.graph.operation(operation).outputs[int(index)]
        return plain(f"{name}: {found.type} = {tensor}" if name else f"{found.type} = {tensor}")

    lines = []
    for name, signature in definition.signatures.items():
        lines.append(plain(f"signature {name}"))
        lines += [f"  {line(*item)}" for item in signature.inputs.items()]
        lines += [f"  -> {line(*item)}" for item in signature.outputs.items()]
    return lines


def _print(text: str) -> None:
    """Print text; quietly stop where nobody reads on, as in a pipe into head."""
    try:
        # Names may have characters that the terminal's encoding has not.
        encoding = sys.stdout.encoding or "utf-8"
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except BrokenPipeError:
        # So that Python's last flush, of what is left, does not fail as well.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(path: Path, text: str) -> None:
    from gradion.foundation.atomic_file import write_atomically

    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")  # a device or a pipe, not to be replaced
        else:
            write_atomically(path, text.encode())
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"cannot be written ({reason})", where=str(path)) from None
