"""The peers: other ways from Kafka to Parquet in S3.

Each module, run by `tests.bench.contest`, runs in its own environment, defined by the `.txt` of its
name; of our code it imports only `schemas`, `tests.bench.cost` and `parquet`. `bento.yaml` and
`bento.blobl` are the configuration of a program of others, run by `tests.bench.bento`.
"""
