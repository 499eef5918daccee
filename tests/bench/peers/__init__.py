"""The peers: other ways from Kafka to Parquet in S3, run by `tests.bench.contest`.

Each module runs in an environment of its own, that of the `.txt` beside it, so it imports nothing
of ours but `schemas`, `tests.bench.cost` and `parquet` here.
"""
