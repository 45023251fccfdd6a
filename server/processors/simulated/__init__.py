"""The simulated processor, for development and for the tests of callers. It moves no money.

``instant`` decides most charges at once, and ``deferred`` those whose payment source says that the outcome is late.
"""
