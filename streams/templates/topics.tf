terraform {
  required_version = ">= 1.3"
  required_providers {
    kafka = {
      source  = "Mongey/kafka"
      version = ">= 0.7"
    }
  }
}

resource "kafka_topic" "falcolake" {
  for_each           = local.topics
  name               = each.value.name
  partitions         = each.value.partitions
  replication_factor = var.replication_factor
  config             = each.value.config

  # Deleting a topic deletes what is not in the lake yet.
  lifecycle {
    prevent_destroy = true
  }
}
