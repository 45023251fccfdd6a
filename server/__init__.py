"""The payment service; ``python -m server`` runs it.

The rooms, and the way that a call takes through them:

- ``transport`` reads a message into domain types, and renders what comes back; the sole owner of grpc, protobuf and
  HTTP. ``servicer`` has the RPCs, ``calls`` what is done around each (``auth``: who may call; ``admission`` and
  ``caller_rates``: how many may), ``boundary`` the one table from errors to statuses; ``grpc_server`` and
  ``http_gateway`` bring calls to them, and ``legacy_rest`` serves ``/v1``. ``monitoring`` has health and metrics, on a
  port without calls.
- ``use_cases`` tells what is done, in domain words, over two ports: a processor and a store; ``watching`` tells how the
  stream of events is followed.
- ``processor`` is behind the one port: the simulated processor, which answers at once, and the remote one over HTTP,
  which need not answer; ``settling`` has what that one does kept, and ``janitor`` what a call did not see the end of.
- ``storage`` is what is behind the other: the sole owner of aiomysql, with every SQL text in ``queries``, or, of lists,
  in ``list_queries``, or, of events, in ``event_queries``. ``outbox`` is what a write tells the stream, which ``relay``
  gives its place there.
- ``domain`` has the rules: money, payments, lists, page tokens, request keys, errors; standard library only.
- ``app`` builds all of it from ``config``, starts it, drains it and stops it; ``logs`` gives events their form, and
  ``metrics`` has what is counted and timed. ``tracing`` has what spans are made of, and ``traced`` in ``transport`` and
  ``storage`` the parts that make them, which ``app`` takes only where there is tracing.

Imports go one way: app, transport, (use_cases, watching, janitor, storage, processor), settling, tracing, (config,
logs, metrics), domain; import-linter keeps it so.
"""
