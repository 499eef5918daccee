"""What others read of the objects: engines, Iceberg, Glue."""
