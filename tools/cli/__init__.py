"""The ``payments`` command: its options, and what it prints. ``main`` puts the subcommands together.

What takes more than a page of code is in ``operations`` or ``transfer``, which print nothing by themselves.
"""
