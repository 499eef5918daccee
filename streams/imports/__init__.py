"""Old alerts from files and S3 into Kafka, each once, however often it is cut off."""
