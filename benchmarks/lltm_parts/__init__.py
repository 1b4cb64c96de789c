"""Parts of benchmarks/lltm.py: building the extension, and calling the cell."""
