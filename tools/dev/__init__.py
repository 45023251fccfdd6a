"""Developer tools: the private database, code generation, mutation tests, and the audit of dependencies.

The wheel does not contain them, and nothing in the wheel imports them.
"""
