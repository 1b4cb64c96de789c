"""Cells: parameter sets, physics, models, protocols and observables."""

__all__: list[str] = []
