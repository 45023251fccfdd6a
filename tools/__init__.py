"""The ``payments`` command, the libraries behind it, and developer tools."""
