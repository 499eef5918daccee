"""Benchmarks: figures, not tests. `make bench` runs `program` and writes docs/benchmarks.*.

Run `audit` by hand as `python -m tests.bench.audit`; `mapping` works the same way.
"""
