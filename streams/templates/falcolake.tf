terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.60"
    }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.id

  has_new_bucket   = var.lake == "new-bucket"
  is_security_lake = var.lake == "security-lake"
  has_key          = var.kms_key_arn != ""
  has_readers      = length(var.reader_arns) > 0

  issuer     = trimprefix(var.eks_issuer, "https://")
  msk_topics = replace(var.msk_cluster_arn, ":cluster/", ":topic/")
  msk_groups = replace(var.msk_cluster_arn, ":cluster/", ":group/")
}

# The workers' own role. In Security Lake it may only assume the role that Security Lake makes.

resource "aws_iam_role" "worker" {
  name_prefix        = "falcolake-worker-"
  assume_role_policy = jsonencode(local.worker_trusts[var.worker_trust])

  lifecycle {
    precondition {
      condition     = var.worker_trust != "irsa" || var.eks_issuer != ""
      error_message = "With worker_trust = \"irsa\", eks_issuer is the cluster's issuer."
    }
  }
}

resource "aws_iam_role_policy" "worker_lake" {
  count  = local.is_security_lake ? 0 : 1
  name   = "lake"
  role   = aws_iam_role.worker.id
  policy = local.has_key ? jsonencode(local.permissions_with_key) : jsonencode(local.permissions)
}

resource "aws_iam_role_policy" "worker_assume" {
  count  = local.is_security_lake ? 1 : 0
  name   = "assume"
  role   = aws_iam_role.worker.id
  policy = jsonencode(local.assume)
}

resource "aws_iam_role_policy" "worker_msk" {
  count  = var.msk_cluster_arn == "" ? 0 : 1
  name   = "msk"
  role   = aws_iam_role.worker.id
  policy = jsonencode(local.msk)
}

resource "aws_iam_instance_profile" "worker" {
  count       = var.worker_trust == "ec2" ? 1 : 0
  name_prefix = "falcolake-worker-"
  role        = aws_iam_role.worker.name
}

resource "aws_eks_pod_identity_association" "worker" {
  count           = var.worker_trust == "pod-identity" && var.eks_cluster != "" ? 1 : 0
  cluster_name    = var.eks_cluster
  namespace       = var.namespace
  service_account = var.service_account
  role_arn        = aws_iam_role.worker.arn
}

# The role that only reads.

resource "aws_iam_role" "reader" {
  count              = local.has_readers ? 1 : 0
  name_prefix        = "falcolake-reader-"
  assume_role_policy = jsonencode(local.reader_trust)
}

resource "aws_iam_role_policy" "reader_lake" {
  count  = local.has_readers ? 1 : 0
  name   = "lake"
  role   = aws_iam_role.reader[0].id
  policy = local.has_key ? jsonencode(local.reading_with_key) : jsonencode(local.reading)
}

# The custom source of Security Lake, and the role of its crawler.

resource "aws_iam_role" "crawler" {
  count              = local.is_security_lake ? 1 : 0
  name_prefix        = "falcolake-crawler-"
  assume_role_policy = jsonencode(local.crawler_trust)
}

resource "aws_iam_role_policy" "crawler_lake" {
  count  = local.is_security_lake ? 1 : 0
  name   = "lake"
  role   = aws_iam_role.crawler[0].id
  policy = local.has_key ? jsonencode(local.crawler_permissions_with_key) : jsonencode(local.crawler_permissions)
}

resource "aws_iam_role_policy_attachment" "crawler_glue" {
  count      = local.is_security_lake ? 1 : 0
  role       = aws_iam_role.crawler[0].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/service-role/AWSGlueServiceRole"
}

resource "aws_securitylake_custom_log_source" "falco" {
  count         = local.is_security_lake ? 1 : 0
  source_name   = var.source_name
  event_classes = [var.event_class]

  configuration {
    crawler_configuration {
      role_arn = aws_iam_role.crawler[0].arn
    }

    provider_identity {
      principal   = local.account
      external_id = var.external_id
    }
  }

  lifecycle {
    precondition {
      condition     = var.external_id != ""
      error_message = "With lake = \"security-lake\", external_id is a long random text."
    }
  }

  depends_on = [aws_iam_role_policy.crawler_lake, aws_iam_role_policy_attachment.crawler_glue]
}

# A bucket of your own. No rule removes an object of the lake: audit proves that each is there.

resource "aws_s3_bucket" "lake" {
  count  = local.has_new_bucket ? 1 : 0
  bucket = var.bucket
}

resource "aws_s3_bucket_ownership_controls" "lake" {
  count  = local.has_new_bucket ? 1 : 0
  bucket = aws_s3_bucket.lake[0].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "lake" {
  count                   = local.has_new_bucket ? 1 : 0
  bucket                  = aws_s3_bucket.lake[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "lake" {
  count  = local.has_new_bucket ? 1 : 0
  bucket = aws_s3_bucket.lake[0].id

  rule {
    bucket_key_enabled = local.has_key

    apply_server_side_encryption_by_default {
      sse_algorithm     = local.has_key ? "aws:kms" : "AES256"
      kms_master_key_id = local.has_key ? var.kms_key_arn : null
    }
  }
}

resource "aws_s3_bucket_versioning" "lake" {
  count  = local.has_new_bucket ? 1 : 0
  bucket = aws_s3_bucket.lake[0].id

  versioning_configuration {
    status = "Enabled"
  }
}

# Only parts of uploads, and objects that replay has replaced or a person deleted.
resource "aws_s3_bucket_lifecycle_configuration" "lake" {
  count  = local.has_new_bucket ? 1 : 0
  bucket = aws_s3_bucket.lake[0].id

  rule {
    id     = "OnlyWhatIsNotInTheLake"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }

    noncurrent_version_expiration {
      noncurrent_days = 90
    }
  }

  depends_on = [aws_s3_bucket_versioning.lake]
}

resource "aws_s3_bucket_policy" "lake" {
  count  = local.has_new_bucket ? 1 : 0
  bucket = aws_s3_bucket.lake[0].id
  policy = jsonencode(local.encrypted_transport)

  depends_on = [aws_s3_bucket_public_access_block.lake]
}

output "worker_role_arn" {
  description = "The workers' own role"
  value       = aws_iam_role.worker.arn
}

output "worker_profile_name" {
  description = "The instance profile of the workers, with worker_trust = ec2"
  value       = one(aws_iam_instance_profile.worker[*].name)
}

output "reader_role_arn" {
  description = "The role that only reads"
  value       = one(aws_iam_role.reader[*].arn)
}

output "settings" {
  description = "falcolake's settings of the lake, as environment variables"
  value = merge(
    {
      FALCOLAKE_LAKE__BUCKET     = var.bucket
      FALCOLAKE_LAKE__PREFIX     = var.prefix
      FALCOLAKE_LAKE__REGION     = local.region
      FALCOLAKE_LAKE__ACCOUNT_ID = local.account
    },
    local.has_key ? { FALCOLAKE_LAKE__KMS_KEY_ID = var.kms_key_arn } : {},
    local.is_security_lake ? {
      FALCOLAKE_LAKE__ROLE_ARN    = aws_securitylake_custom_log_source.falco[0].provider_details[0].role_arn
      FALCOLAKE_LAKE__EXTERNAL_ID = var.external_id
    } : {},
  )
}
