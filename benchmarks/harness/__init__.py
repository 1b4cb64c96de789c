"""How benchmarks take times, and which peers are there."""
