"""The peers: other ways from Kafka to Parquet in S3, run by `tests.bench.contest`.

Each module runs in its own environment, defined by the `.txt` of its name. Of our code it imports
only `schemas`, `tests.bench.cost` and `parquet`.
"""
