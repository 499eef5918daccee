"""Benchmarks: figures, not tests. `make bench` runs `program` and writes docs/benchmarks.*.

`mapping` and `audit` are run by hand, as `python -m tests.bench.mapping`.
"""
