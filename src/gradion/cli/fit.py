"""`gradion fit`."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradion.foundation.errors import InputError
from gradion.foundation.program_cache import keep_programs

if TYPE_CHECKING:
    from gradion.cell.io.fit_file import FitFile
    from gradion.cli.progress import AbstractProgress
    from gradion.fit import AbstractOptimiser, FitResult, Iteration, Problem

__all__ = ["fit"]

_CHECKPOINT = "checkpoint.safetensors"
_HEARTBEAT = 5.0  # [s]
_INTERRUPTED = 130  # what a shell makes of a command that SIGINT ended


def fit(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="What to fit: a TOML file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the report.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from where an earlier run was stopped.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier report in the folder.")
    ] = False,
    max_iterations: Annotated[
        int | None, typer.Option("--max-iterations", min=1, help="Instead of the file's number.")
    ] = None,
    no_plots: Annotated[bool, typer.Option("--no-plots", help="Draw no figures.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines for programs.")] = False,
) -> None:
    """Fit a cell model to measured discharges and write a report.

    The file names the model, the curves and the parameters; docs/how-to/fit-a-cell.md describes
    it. The report is a folder: report.html, parameters.json, the fitted state, figures.

    Examples:

        gradion fit examples/enertech/fit.toml

        gradion fit my-cell/fit.toml --output results/my-cell --json

        gradion fit my-cell/fit.toml --resume
    """
    began = time.perf_counter()
    _first_line(path, as_json)
    # Only now what takes long to import.
    from gradion.cell.fit_setup import build_problem
    from gradion.cell.io.fit_file import read_fit_file
    from gradion.cli.progress import choose_progress

    file = read_fit_file(path)
    folder = output if output is not None else file.resolved(file.content.output.folder)
    _check_folder(folder, resume=resume, overwrite=overwrite)
    note = keep_programs()
    with choose_progress(as_json=as_json, began=began) as progress:
        if note is not None:
            progress.stage(f"note: {note}")
        problem = build_problem(file)
        _make_folder(folder, resume=resume)
        try:
            compilation = _compile(problem, progress)
            result = _run(file, problem, folder, resume, max_iterations, progress, began)
        except KeyboardInterrupt:
            progress.close()
            typer.echo("interrupted; --resume goes on from the last finished iteration", err=True)
            raise typer.Exit(_INTERRUPTED) from None
        progress.stage("writing the report")
        report = _report(result, file, folder, figures=not no_plots, compilation=compilation)
        progress.done(_summary(result, report))
    if not result.is_success:
        raise typer.Exit(1)


def _first_line(path: Path, as_json: bool) -> None:
    """Something to see at once."""
    event = {"event": "stage", "text": f"reading {path}"}
    print(json.dumps(event) if as_json else event["text"], flush=True)


def _check_folder(folder: Path, *, resume: bool, overwrite: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError("is no folder", where=str(folder))
    is_used = folder.is_dir() and any(folder.iterdir())
    if is_used and not (resume or overwrite):
        raise InputError(
            "the output folder is not empty",
            where=str(folder),
            mend="add --resume to go on, --overwrite to replace the report, or --output DIR",
        )


def _make_folder(folder: Path, *, resume: bool) -> None:
    """Make the folder, without the files of an earlier run unless it is resumed."""
    from gradion.cell.report import REPORT_FILES

    stale = () if resume else (*REPORT_FILES, _CHECKPOINT, f"{_CHECKPOINT}.previous")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in stale:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"cannot be written ({reason})", where=str(folder)) from None


def _run(
    file: FitFile,
    problem: Problem,
    folder: Path,
    resume: bool,
    max_iterations: int | None,
    progress: AbstractProgress,
    began: float,
) -> FitResult:
    from gradion.cli.progress import Row
    from gradion.fit import IdentifiabilityRule
    from gradion.fit import fit as run_fit

    progress.stage("fitting")

    def report(iteration: Iteration) -> None:
        # After parameters were dropped z is shorter, and whose it is only the fit knows.
        is_whole = iteration.z.size == len(problem.coordinates)
        progress.row(
            Row(
                number=iteration.number,
                cost=iteration.cost,
                rms_mV=_rms(problem, iteration) if is_whole else {},
                gradient_norm=iteration.gradient_norm,
                accepted=iteration.accepted,
                elapsed=time.perf_counter() - began,
                round=iteration.round,
            )
        )

    drop = file.content.fit.drop_unidentifiable
    return run_fit(
        problem,
        optimiser=_optimiser(file, max_iterations),
        drop_unidentifiable=IdentifiabilityRule() if drop else None,
        checkpoint=folder / _CHECKPOINT,
        resume=resume,
        progress=report,
    )


def _compile(problem: Problem, progress: AbstractProgress) -> float:
    """Compile the program of a fit, and say now and then that it goes on; return its time [s]."""
    began = time.perf_counter()
    text = "compiling the model and its derivatives (kept for later runs)"
    # The compiler runs outside of Python's lock, so that this thread can speak.
    with ThreadPoolExecutor(max_workers=1) as pool:
        evaluation = pool.submit(problem.residuals_and_jacobian, problem.z_start)
        while not evaluation.done():
            progress.stage(text)
            wait((evaluation,), timeout=_HEARTBEAT)
            text = "still compiling"
        evaluation.result()
    return time.perf_counter() - began


def _rms(problem: Problem, iteration: Iteration) -> dict[str, float]:
    found = problem.rms(iteration.z)
    return {d.name: 1e3 * found[d.name] for d in problem.datasets if d.unit == "V"}


def _optimiser(file: FitFile, max_iterations: int | None) -> AbstractOptimiser[Any]:
    import jax

    from gradion.cell.io.fit_file import Optimiser
    from gradion.fit import LBFGS, Adam, LevenbergMarquardt, MultiStart

    section = file.content.fit
    count = section.max_iterations if max_iterations is None else max_iterations
    kinds = {
        Optimiser.LEVENBERG_MARQUARDT: LevenbergMarquardt,
        Optimiser.LBFGS: LBFGS,
        Optimiser.ADAM: Adam,
    }
    inner = kinds[section.optimiser](max_iterations=count, cost_rtol=section.relative_tolerance)
    if section.starts == 1:
        return inner
    return MultiStart(inner, starts=section.starts, key=jax.random.key(section.seed))


def _report(
    result: FitResult, file: FitFile, folder: Path, *, figures: bool, compilation: float
) -> Path:
    from gradion.cell.report import write_fit_report

    try:
        return write_fit_report(result, file, folder, figures=figures, compilation=compilation)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"cannot be written ({reason})", where=str(folder)) from None
    except ImportError as error:
        raise InputError(
            f"the report needs {error.name}", mend="pip install 'gradion[cell]'"
        ) from None


def _summary(result: FitResult, report: Path) -> dict[str, Any]:
    from gradion.cell.report import fit_summary

    return {
        **fit_summary(result),
        "report": _short(report),
        "total_s": result.timings.total,
    }


def _short(path: Path) -> str:
    """A path as one would type it here."""
    path = path.resolve()
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
