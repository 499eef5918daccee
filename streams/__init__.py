"""The path of an alert, and the folder of each step. Start reading at `app`, which builds a worker.

Kafka ─► worker.transport ─► worker.ledger ─► staging ─► worker.shipping ─► lake ─► commit

windows    the values of the flow and what decides on them; pure
worker     transport → ledger → shipping; listener, drain; metrics, journal, logs
staging    findings not in the lake yet, in DuckDB
lake       keys, objects, footers, roles: the only S3
kafka      Kafka outside the worker: clients, scans, status, dead letters, produce
control    requests to workers and their answers: flush, overview
audit      what the lake proves: coverage, counts, rules for objects
query      SQL over the lake
watch      what is watched of an alert: lines and rates; pure
replay     windows rebuilt from Kafka
adopt      blocked partitions, by a person's word
doctor     checks of everything a worker needs
page       the status page, probes and metrics endpoint
receive    Falco's alerts over HTTP → Kafka
imports    old alerts from files and S3 → Kafka
settings   the settings model and where values come from
templates  what installs roles, lake and topics: CloudFormation, Terraform
commands   one file a command
samples, embedded   sample alerts; the development broker and S3 server
"""
