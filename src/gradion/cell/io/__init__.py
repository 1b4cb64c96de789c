"""Foreign formats of cell parameters and data."""

__all__: list[str] = []
