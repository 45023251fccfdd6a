"""The surface: everything that callers, operators and support can see and depend on, committed in ``snapshot/``.

Each module derives one subject from the code or from a running service, and ``test_surface`` compares it with the
committed file. The files name no module, class or line, so moving code between modules does not change them.

Two parts of the surface are checked elsewhere: ``buf breaking`` compares the gRPC contract with
``proto/released.binpb``, and ``deploy/sql/grants.sql`` is itself the reviewed list of the accounts' privileges.
"""
