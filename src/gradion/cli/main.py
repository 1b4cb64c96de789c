"""Entry point of the command `gradion`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gradion.cli.fit import fit
from gradion.cli.graph import graph_app
from gradion.cli.info import info
from gradion.cli.kernels import kernels_app
from gradion.cli.simulate import simulate
from gradion.foundation.errors import InputError

__all__ = ["app", "main"]

BAD_INPUT, NUMERICAL_FAILURE = 2, 1

app = typer.Typer(
    name="gradion",
    help=(
        "Simulate battery cells and fit them to data.\n\n"
        "Begin with `gradion simulate --c-rate 1 --plot run.png`, then "
        "`gradion fit examples/enertech/fit.toml`."
    ),
    epilog="Exit status: 0 success, 1 numerical failure, 2 bad input.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(simulate)
app.command()(fit)
app.command()(info)
app.add_typer(graph_app)
app.add_typer(kernels_app)


def _print_version(wanted: bool) -> None:
    if wanted:
        import gradion

        typer.echo(f"gradion {gradion.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it and end."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command; errors of the user are one line, without a traceback."""
    try:
        app(prog_name="gradion")
    except InputError as error:
        _fail(str(error), BAD_INPUT)
    except RuntimeError as error:
        if not _is_numerical(error):
            raise
        _fail(str(error), NUMERICAL_FAILURE)


def _is_numerical(error: RuntimeError) -> bool:
    """Whether it is an error of ours about a calculation; others are bugs and keep a traceback."""
    return type(error).__name__ in ("IntegrationError", "FitError") and type(
        error
    ).__module__.startswith("gradion.")


def _fail(message: str, status: int) -> None:
    print(message, file=sys.stderr)
    sys.exit(status)
