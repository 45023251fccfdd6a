"""The settings, read from the environment and ``.env``, with their defaults, units and limits.

This package reads and checks them. The part of the service that receives a setting decides what it does.
"""
