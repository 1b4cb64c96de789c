"""Numerical methods: meshes, linear structures, interpolation, time integration."""

__all__: list[str] = []
