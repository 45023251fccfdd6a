"""The ``payments`` command, the libraries behind it, and tools for developers."""
