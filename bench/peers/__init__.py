"""Services and variants that the benchmarks compare with the service."""
