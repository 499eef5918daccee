"""A small durable single-node broker that speaks Kafka's protocol, for development and tests.

Not for production: one node, no replication, no transactions, no security, loopback only.

Every record and offset is written to disk (at least to the page cache) before it is acknowledged,
so `kill -9` loses nothing. Run `python -m streams.embedded.broker`.
"""
