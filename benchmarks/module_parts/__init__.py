"""Parts of ``benchmarks/modules.py``, which sets the environment before JAX is imported."""
