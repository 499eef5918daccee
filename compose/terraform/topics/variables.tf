variable "topic" {
  description = "Topic of the alerts"
  type        = string
  default     = "falco-events"

  validation {
    condition     = can(regex("^([A-Za-z0-9._-]{1,249})$", var.topic))
    error_message = "topic must be a topic's name."
  }
}

variable "dead_letter_topic" {
  description = "Topic for records that cannot become findings"
  type        = string
  default     = "falco-events.dead-letter"

  validation {
    condition     = can(regex("^([A-Za-z0-9._-]{1,249})$", var.dead_letter_topic))
    error_message = "dead_letter_topic must be a topic's name."
  }
}

variable "control_topic" {
  description = "Topic for requests to the workers"
  type        = string
  default     = "falco-events.control"

  validation {
    condition     = can(regex("^([A-Za-z0-9._-]{1,249})$", var.control_topic))
    error_message = "control_topic must be a topic's name."
  }
}

variable "partitions" {
  description = "Partitions of the topics of alerts and of dead letters"
  type        = number
  default     = 6

  validation {
    condition     = can(regex("^([1-9]\\d{0,4})$", var.partitions))
    error_message = "partitions must be a number of partitions, at least 1."
  }
}

variable "replication_factor" {
  description = "Copies of each record"
  type        = number
  default     = 3

  validation {
    condition     = can(regex("^([2-9])$", var.replication_factor))
    error_message = "replication_factor must be a number from 2 to 9; with fewer, a broken disk loses alerts."
  }
}
