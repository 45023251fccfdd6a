"""Logs, metrics and traces: how the service shows what it does.

What is shown is named here, once; the parts call it. It never decides anything.
"""
