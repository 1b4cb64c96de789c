"""The command `gradion`: one file a verb."""

__all__: list[str] = []
