"""A simulated world: the worker's real steps on a virtual clock, in a seeded order.

loop         the event loop: virtual time, hosts that can be killed or paused
history      who did what, in virtual time
log          a Kafka topic: retention, truncation, recreation, transactions
contracts    a model or what it stands for, for a contract's tests
logs         a partition's log, modelled or real, for the contract of both
coordinator  a consumer group: generations, fencing, offsets
consumer     what a worker has of aiokafka, under the real `BatchConsumer`
control      the control topic, requests on it, and what must come of them
store        an S3 bucket, its client, and how both go wrong
staging      the contract of `Staging` without DuckDB, on a disk that outlives its worker
worker       one worker, put together as `streams.app` does
plan         the faults of a seed, as values
world        everything together; runs one plan
verdict      what must be true during a run and at its end
shrink       the smallest plan that still fails
kept         plans that once failed
mutations    how soon it notices a broken step
"""
