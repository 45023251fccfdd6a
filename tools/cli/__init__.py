"""The ``payments`` command: options, output and exit codes, with a module for each subcommand.

The work is done in ``operations``, ``transfer`` and ``database``, which print only through functions passed to them.
"""
