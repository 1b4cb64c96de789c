"""The files that a fit leaves: parameters, state, figures and a page."""

from __future__ import annotations

import base64
import datetime
import importlib.metadata
import io
import json
import math
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from gradion.cell.io.discharge_csv import read_comments
from gradion.cell.io.fit_file import DataRole, DataSection, FitFile, Quantity
from gradion.cell.parameters import load_parameters
from gradion.cell.report.number_text import interval_text, number_text
from gradion.fit import FitResult, Role, Verdict
from gradion.module import save_state

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["REPORT_FILES", "fit_summary", "write_fit_report"]

REPORT_FILES = (
    "parameters.json",
    "result.json",
    "state.safetensors",
    "curves.png",
    "residuals.png",
    "correlation.png",
    "convergence.png",
    "report.html",
)
_PACKAGES = ("jax", "jaxlib", "numpy", "equinox", "optimistix", "lineax", "scipy")


def fit_summary(result: FitResult) -> dict[str, Any]:
    """What was found, as JSON knows it: the same numbers for the same fit, without times.

    Numbers that are not finite are None.
    """
    return {
        "converged": result.is_success,
        "message": result.termination.message,
        "curves": [
            {
                "name": data.name,
                "role": data.role.value,
                "unit": data.unit,
                "current_A": float(data.inputs.current),
                "points": data.count,
                "rms_before": _finite(data.rms_before),
                "rms_after": _finite(data.rms_after),
            }
            for data in result.datasets
        ],
        "parameters": [
            {
                "label": entry.label,
                "unit": entry.unit,
                "start": entry.start,
                "bounds": None if entry.bounds is None else [_finite(b) for b in entry.bounds],
                "fitted": entry.fitted,
                "standard_error": _finite(entry.standard_error),
                "interval_95": [_finite(end) for end in entry.interval],
                "at_bound": entry.at_bound,
                "verdict": entry.verdict.value,
                "source_of_start": entry.source,
            }
            for entry in result.parameters
        ],
        "held": [
            {"label": item.label, "unit": item.unit, "value": item.value, "reason": item.reason}
            for item in result.dropped
        ],
        "iterations": len(result.iterations),
        "cost_before": _finite(result.cost_before),
        "cost_after": _finite(result.cost_after),
        "gradion": result.version,
    }


def write_fit_report(
    result: FitResult,
    file: FitFile,
    folder: Path,
    *,
    figures: bool = True,
    compilation: float | None = None,
) -> Path:
    """Write `REPORT_FILES` into a folder that exists; return the path of the page.

    `compilation` is the time [s] that went into it before the fit, if it was taken. Every file
    appears whole or not at all, and the page last. Without `figures` neither they nor matplotlib
    are needed. Raises OSError as the disk does.
    """
    _write_text(folder / "parameters.json", json.dumps(fit_summary(result), indent=2) + "\n")
    _write_text(folder / "result.json", result.to_json() + "\n")
    save_state(result.module, folder / "state.safetensors")
    images = {}
    if figures:
        for name, figure in _figures(result).items():
            images[name] = _png(figure)
            _write_bytes(folder / f"{name}.png", images[name])
    page = folder / "report.html"
    _write_text(page, _page(result, file, images, compilation))
    return page


def _figures(result: FitResult) -> dict[str, Figure]:
    from gradion.cell.report import fit_figures

    drawn = {
        "curves": fit_figures.curves_figure(result),
        "residuals": fit_figures.residuals_figure(result),
        "convergence": fit_figures.convergence_figure(result),
    }
    if len(result.parameters) > 1:
        names = [_short_name(entry.label) for entry in result.parameters]
        drawn["correlation"] = fit_figures.correlation_figure(result, names)
    return drawn


def _short_name(label: str) -> str:
    """A label without what all of them share."""
    return label.removeprefix("cell.").removesuffix(".value")


def _page(
    result: FitResult, file: FitFile, images: dict[str, bytes], compilation: float | None
) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("gradion.cell", "report"), autoescape=True, undefined=StrictUndefined
    )
    template = environment.get_template("fit_report.html")
    summary = fit_summary(result)
    return template.render(
        summary=summary,
        title=file.path.resolve().parent.name if file.path.stem == "fit" else file.path.stem,
        date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        images={name: base64.b64encode(data).decode("ascii") for name, data in images.items()},
        curves=_curve_rows(result),
        parameters=_parameter_rows(result),
        held=_held_rows(result),
        pairs=_strong_pairs(result),
        directions=_direction_rows(result),
        iterations=_iteration_rows(result),
        timings=_timing_rows(result, compilation),
        settings=_setting_rows(file),
        sources=_data_sources(file),
        references=_references(file),
        versions=_version_rows(result),
        fit_file=file.path.read_text(encoding="utf-8"),
    )


def _curve_rows(result: FitResult) -> list[dict[str, Any]]:
    rows = []
    for data in result.datasets:
        scale, unit = (1e3, "mV") if data.unit == "V" else (1.0, data.unit)
        used = data.weights > 0.0
        worst = float(np.max(np.abs(data.after - data.measured)[used]))
        rows.append(
            {
                "name": data.name,
                "role": "fitted" if data.role is Role.FIT else "validation",
                "current": f"{float(data.inputs.current):.4g} A",
                "points": data.count,
                "before": f"{scale * data.rms_before:.2f}",
                "after": f"{scale * data.rms_after:.2f}",
                "short": f"{scale * data.rms_before:.3g}",
                "short_after": f"{scale * data.rms_after:.3g}",
                "worst": f"{scale * worst:.1f}",
                "unit": unit,
                "effective": "-"
                if math.isnan(data.effective_count)
                else f"{data.effective_count:.0f}",
            }
        )
    return rows


def _parameter_rows(result: FitResult) -> list[dict[str, Any]]:
    plain = result.uncertainty.plain.standard_errors
    rows = []
    for entry, iid in zip(result.parameters, plain, strict=True):
        low, high = entry.bounds if entry.bounds is not None else (-math.inf, math.inf)
        rows.append(
            {
                "name": _short_name(entry.label),
                "unit": entry.unit,
                "start": number_text(entry.start),
                "bounds": interval_text(low, high),
                "fitted": number_text(entry.fitted, entry.standard_error),
                "error": number_text(entry.standard_error, digits=2),
                "plain_error": number_text(float(iid), digits=2),
                "interval": interval_text(*entry.interval, entry.standard_error),
                "relative": "-"
                if math.isnan(entry.relative_error)
                else f"{100.0 * entry.relative_error:.2g} %",
                "verdict": entry.verdict.value,
                "class": _CLASSES[entry.verdict],
                "place": _place(entry.fitted, low, high),
                "start_place": _place(entry.start, low, high),
                "source": entry.source or "",
            }
        )
    return rows


_CLASSES = {
    Verdict.IDENTIFIABLE: "good",
    Verdict.WEAKLY: "weak",
    Verdict.NOT: "bad",
    Verdict.AT_BOUND: "bad",
}


def _place(value: float, low: float, high: float) -> float | None:
    """Where a value stands between its bounds [%], by logarithm if they are decades apart."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    if low > 0.0 and high / low > 100.0 and value > 0.0:
        value, low, high = math.log(value), math.log(low), math.log(high)
    return round(100.0 * min(max((value - low) / (high - low), 0.0), 1.0), 1)


def _held_rows(result: FitResult) -> list[dict[str, str]]:
    return [
        {
            "name": _short_name(item.label),
            "unit": item.unit,
            "value": number_text(item.value),
            "reason": item.reason,
            "source": item.source or "",
        }
        for item in result.dropped
    ]


def _strong_pairs(result: FitResult) -> list[dict[str, str]]:
    """The pairs of parameters with the largest correlations."""
    matrix, labels = result.uncertainty.robust.correlation, result.uncertainty.labels
    pairs = [
        (float(matrix[i, j]), labels[i], labels[j])
        for i in range(len(labels))
        for j in range(i)
        if math.isfinite(matrix[i, j])
    ]
    pairs.sort(key=lambda pair: -abs(pair[0]))
    return [
        {"first": _short_name(a), "second": _short_name(b), "value": f"{value:+.3f}"}
        for value, a, b in pairs[:5]
    ]


def _direction_rows(result: FitResult) -> list[dict[str, str]]:
    rows = []
    for direction in result.identifiability.directions[:3]:
        parts = [
            f"{weight:+.2f} {_short_name(label)}"
            for label, weight in direction.composition
            if abs(weight) > 0.1
        ]
        error = f"{100.0 * direction.relative_error:.2g} %"
        rows.append({"error": error, "parts": ", ".join(parts[:5])})
    return rows


def _iteration_rows(result: FitResult) -> list[dict[str, str]]:
    return [
        {
            "round": str(item.round + 1),
            "number": str(item.number),
            "cost": f"{item.cost:.6g}",
            "gradient": f"{item.gradient_norm:.2e}",
            "step": f"{item.step_norm:.2e}",
            "accepted": "yes" if item.accepted else "no",
        }
        for item in result.iterations
    ]


def _timing_rows(result: FitResult, compilation: float | None) -> list[tuple[str, str]]:
    timings = result.timings
    rows = [("optimisation", f"{timings.optimisation:.1f} s"), ("fit", f"{timings.total:.1f} s")]
    if compilation is not None:
        rows.insert(0, ("compilation, before the fit", f"{compilation:.1f} s"))
    return rows


def _setting_rows(file: FitFile) -> list[tuple[str, str]]:
    model, fit = file.content.model, file.content.fit
    mesh = f"{model.mesh.n_r} shells a particle"
    if model.kind.value == "SPMe":
        mesh += f", {' + '.join(map(str, model.mesh.n_x))} volumes in the electrolyte"
    fitted = [section for section in file.content.data if section.role is DataRole.FIT]
    return [
        ("model", f"{model.kind.value}, {model.thermal.value} temperature"),
        ("parameter set", model.parameters),
        *(("one parameter", " = ".join(map(_short_name, group))) for group in model.shared),
        ("mesh", mesh),
        ("optimiser", fit.optimiser.value),
        ("starts", str(fit.starts)),
        ("weighting", "uniform in time" if fit.weighting.value == "time" else "by points"),
        ("measurement scale", "; ".join(_scale(file, section) for section in fitted)),
        ("unidentifiable parameters", "held" if fit.drop_unidentifiable else "fitted all the same"),
        ("fit file", file.path.name),
    ]


def _scale(file: FitFile, section: DataSection) -> str:
    """How far a curve may be off for one unit of its residuals."""
    fit, name = file.content.fit, section.name or section.file
    if section.quantity is Quantity.VOLTAGE:
        return f"{name} {section.sigma_mV or fit.sigma_mV:g} mV"
    return f"{name} {section.sigma_K or fit.sigma_K:g} K"


def _data_sources(file: FitFile) -> list[dict[str, str]]:
    return [
        {"file": section.file, "text": read_comments(file.resolved(section.file))}
        for section in file.content.data
    ]


def _references(file: FitFile) -> list[dict[str, str]]:
    name = file.content.model.parameters
    parameters = load_parameters(file.resolved(name) if name.endswith(".json") else name)
    return [
        {"key": item.key, "citation": item.citation, "doi": item.doi or ""}
        for item in parameters.references
    ]


def _version_rows(result: FitResult) -> list[tuple[str, str]]:
    devices = ", ".join(f"{d.platform} ({d.device_kind})" for d in jax.devices())
    rows = [("gradion", result.version), ("python", platform.python_version())]
    rows += [(name, importlib.metadata.version(name)) for name in _PACKAGES]
    return [*rows, ("device", devices), ("system", platform.system() + " " + platform.machine())]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _write_text(path: Path, text: str) -> None:
    _write_bytes(path, text.encode("utf-8"))


def _write_bytes(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
