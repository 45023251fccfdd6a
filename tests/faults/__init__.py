"""Behavior under faults: crashes, hangs, network failures, overload and abuse."""
