"""What every layer stands on: constants, units, errors.

Nothing is imported here: take each name from its own module, for example
``from gradion.foundation.errors import InputError``.
"""

__all__: list[str] = []
