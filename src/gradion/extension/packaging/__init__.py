"""Extensions built ahead of time: hooks for setuptools and for hatchling.

Each hook stands in its own file, since it imports its build system.
"""

__all__: list[str] = []
