"""A small durable single-node broker that speaks Kafka's protocol, for development and tests.

Not for production: one node, no replication, no transactions, no security, loopback only.

Every record and offset it has acknowledged is on disk (in the page cache at least) before the
answer leaves, so a `kill -9` of the process loses nothing. Run `python -m streams.embedded.broker`.
"""
