"""The state of a tree of Modules: as a dictionary, and in a file."""

__all__: list[str] = []
