"""Logs, metrics and traces.

Metrics are named here, once, and the parts that record them call this package. Nothing here makes a decision.
"""
