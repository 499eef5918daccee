"""Benchmarks: figures, not tests. `make bench` runs `program` and writes docs/benchmarks.*.

`audit` is run by hand, as `python -m tests.bench.audit`; `mapping` can be, too.
"""
