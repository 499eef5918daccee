locals {
  topics = {
    topic = {
      name       = var.topic
      partitions = var.partitions
      config = {
        "cleanup.policy"      = "delete"
        "retention.bytes"     = "-1"
        "retention.ms"        = "604800000"
        "min.insync.replicas" = "2"
      }
    }
    dead_letter_topic = {
      name       = var.dead_letter_topic
      partitions = var.partitions
      config = {
        "cleanup.policy"      = "delete"
        "retention.bytes"     = "-1"
        "retention.ms"        = "2592000000"
        "min.insync.replicas" = "2"
      }
    }
    control_topic = {
      name       = var.control_topic
      partitions = 1
      config = {
        "cleanup.policy"  = "delete"
        "retention.bytes" = "-1"
        "retention.ms"    = "604800000"
      }
    }
  }
}
