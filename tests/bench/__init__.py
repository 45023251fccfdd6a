"""The benchmarks, run with small sizes."""
