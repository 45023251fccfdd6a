"""Benchmarks that compare the service with its peers on one machine in one run."""
