"""The service as a Python developer would write it first: grpc.aio, aiomysql, and one INSERT and commit per charge.

It has the RPCs that the benchmarks call, on the tables of this project, without batching, caches, events or an archive.
"""
