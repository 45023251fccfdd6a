"""The ``payments`` command: options, output and exit codes, with a module for each subcommand.

``operations``, ``transfer`` and ``database`` do the work. They print through their ``report`` or ``progress``
argument.
"""
