variable "lake" {
  description = "new-bucket: create the bucket; existing-bucket: use it; security-lake: it is the one of Amazon Security Lake"
  type        = string
  default     = "new-bucket"

  validation {
    condition     = contains(["new-bucket", "existing-bucket", "security-lake"], var.lake)
    error_message = "Use one of new-bucket, existing-bucket, security-lake."
  }
}

variable "bucket" {
  description = "S3 bucket of the lake"
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])$", var.bucket))
    error_message = "bucket must be a bucket name of 3 to 63 lower-case letters, digits, dots and hyphens."
  }
}

variable "prefix" {
  description = "Prefix in the bucket"
  type        = string
  default     = "ext/falco"

  validation {
    condition     = can(regex("^([A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*)$", var.prefix))
    error_message = "prefix must be a prefix without slashes at its ends."
  }
}

variable "kms_key_arn" {
  description = "KMS key that encrypts the objects; empty: S3's own"
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(|arn:aws[a-z-]*:kms:[a-z0-9-]+:\\d{12}:key/[A-Za-z0-9-]+)$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key, not of an alias, or empty."
  }
}

variable "worker_trust" {
  description = "How workers get their role: irsa and pod-identity on EKS, ec2 by an instance profile, ecs as the role of a task"
  type        = string
  default     = "irsa"

  validation {
    condition     = contains(["irsa", "pod-identity", "ec2", "ecs"], var.worker_trust)
    error_message = "Use one of irsa, pod-identity, ec2, ecs."
  }
}

variable "eks_issuer" {
  description = "For irsa: the cluster's OpenID Connect issuer, whose provider is in IAM"
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(|https://[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+(/[A-Za-z0-9_.-]+)*)$", var.eks_issuer))
    error_message = "eks_issuer must be what aws eks describe-cluster --query cluster.identity.oidc.issuer prints, or empty."
  }
}

variable "eks_cluster" {
  description = "For pod-identity: the cluster to make the association in; empty: make none"
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(|[A-Za-z0-9][A-Za-z0-9_-]{0,99})$", var.eks_cluster))
    error_message = "eks_cluster must be the name of an EKS cluster, or empty."
  }
}

variable "namespace" {
  description = "On EKS: namespace of the workers"
  type        = string
  default     = "falco"

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$", var.namespace))
    error_message = "namespace must be a namespace of lower-case letters, digits and hyphens."
  }
}

variable "service_account" {
  description = "On EKS: service account of the workers"
  type        = string
  default     = "falcolake"

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)$", var.service_account))
    error_message = "service_account must be a service account of lower-case letters, digits, dots and hyphens."
  }
}

variable "reader_arns" {
  description = "Roles and users that may assume a role that only reads, to audit and query; empty: no such role is made"
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.reader_arns : can(regex("^(arn:aws[a-z-]*:iam::\\d{12}:(root|(role|user)/[\\w+=,.@/-]+))$", each))])
    error_message = "reader_arns must be ARNs of roles, users or account roots, with commas between them, or empty."
  }
}

variable "source_name" {
  description = "For security-lake: name of the custom source"
  type        = string
  default     = "falco"

  validation {
    condition     = can(regex("^([A-Za-z0-9_.-]{1,20})$", var.source_name))
    error_message = "source_name must be at most 20 letters, digits, dots, underscores and hyphens."
  }
}

variable "external_id" {
  description = "For security-lake: external id that the source's role asks for"
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(|[\\w+=,.@:/-]{2,})$", var.external_id))
    error_message = "external_id must be 2 or more letters, digits and characters of _ + = , . @ : / -, or empty."
  }
}

variable "event_class" {
  description = "For security-lake: OCSF class of the findings"
  type        = string
  default     = "DETECTION_FINDING"

  validation {
    condition     = contains(["DETECTION_FINDING", "SECURITY_FINDING"], var.event_class)
    error_message = "Use one of DETECTION_FINDING, SECURITY_FINDING."
  }
}

variable "msk_cluster_arn" {
  description = "MSK cluster that workers sign in to with IAM; empty: they do not"
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(|arn:aws[a-z-]*:kafka:[a-z0-9-]+:\\d{12}:cluster/[\\w.-]+/[A-Za-z0-9-]+)$", var.msk_cluster_arn))
    error_message = "msk_cluster_arn must be the ARN of an MSK cluster, or empty."
  }
}

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

variable "group_id" {
  description = "Consumer group of the workers"
  type        = string
  default     = "falcolake"

  validation {
    condition     = can(regex("^([^*?$%\"\\\\\\s]{1,249})$", var.group_id))
    error_message = "group_id must be a group's name, without spaces and any of * ? $ % \" \\."
  }
}
