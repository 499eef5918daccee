"""What `tail` and `top` show of the alerts that come into Kafka: lines and rates; pure."""
