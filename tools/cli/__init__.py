"""The ``payments`` command, a module for each subcommand: options, output and exit codes.

The work itself is in ``operations``, ``transfer`` and ``database``, which print only through what they are given.
"""
