"""Settings: what the environment and ``.env`` may say, with defaults, units and limits.

It reads and checks; what a setting does is decided by the part of the service that receives it.
"""
