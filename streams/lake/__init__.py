"""The bucket: keys, objects, footers, roles. The only S3."""
