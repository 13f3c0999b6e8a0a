"""Measurements of the harness, each a program with its committed result beside it: `python -m benchmarks.<name>`."""
