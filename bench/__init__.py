"""Measurements: the service beside its peers, on this machine, in one run."""
