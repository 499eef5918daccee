locals {
  worker_trusts = {
    irsa = {
      Version = "2012-10-17"
      Statement = [
        {
          Sid    = "WorkersOfTheServiceAccount"
          Effect = "Allow"
          Principal = {
            Federated = "arn:${local.partition}:iam::${local.account}:oidc-provider/${local.issuer}"
          }
          Action = "sts:AssumeRoleWithWebIdentity"
          Condition = {
            StringEquals = {
              "${local.issuer}:aud" = "sts.amazonaws.com"
              "${local.issuer}:sub" = "system:serviceaccount:${var.namespace}:${var.service_account}"
            }
          }
        },
      ]
    }
    "pod-identity" = {
      Version = "2012-10-17"
      Statement = [
        {
          Sid    = "WorkersByPodIdentity"
          Effect = "Allow"
          Principal = {
            Service = "pods.eks.amazonaws.com"
          }
          Action = ["sts:AssumeRole", "sts:TagSession"]
          Condition = {
            StringEquals = {
              "aws:SourceAccount" = local.account
            }
          }
        },
      ]
    }
    ec2 = {
      Version = "2012-10-17"
      Statement = [
        {
          Sid    = "WorkersOnInstances"
          Effect = "Allow"
          Principal = {
            Service = "ec2.amazonaws.com"
          }
          Action = "sts:AssumeRole"
        },
      ]
    }
    ecs = {
      Version = "2012-10-17"
      Statement = [
        {
          Sid    = "WorkersInTasks"
          Effect = "Allow"
          Principal = {
            Service = "ecs-tasks.amazonaws.com"
          }
          Action = "sts:AssumeRole"
          Condition = {
            StringEquals = {
              "aws:SourceAccount" = local.account
            }
          }
        },
      ]
    }
  }

  permissions = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ListThePrefix"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = "arn:${local.partition}:s3:::${var.bucket}"
        Condition = {
          StringLike = {
            "s3:prefix" = "${var.prefix}/*"
          }
        }
      },
      {
        Sid      = "ReadAndWriteObjects"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject"]
        Resource = "arn:${local.partition}:s3:::${var.bucket}/${var.prefix}/*"
      },
    ]
  }

  permissions_with_key = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ListThePrefix"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = "arn:${local.partition}:s3:::${var.bucket}"
        Condition = {
          StringLike = {
            "s3:prefix" = "${var.prefix}/*"
          }
        }
      },
      {
        Sid      = "ReadAndWriteObjects"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject"]
        Resource = "arn:${local.partition}:s3:::${var.bucket}/${var.prefix}/*"
      },
      {
        Sid      = "UseTheKey"
        Effect   = "Allow"
        Action   = ["kms:GenerateDataKey", "kms:Decrypt"]
        Resource = var.kms_key_arn
        Condition = {
          StringEquals = {
            "kms:ViaService" = "s3.${local.region}.amazonaws.com"
          }
        }
      },
    ]
  }

  assume = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "AssumeTheRoleOfTheLake"
        Effect   = "Allow"
        Action   = "sts:AssumeRole"
        Resource = "arn:${local.partition}:iam::${local.account}:role/AmazonSecurityLake-Provider-${var.source_name}-${local.region}"
      },
    ]
  }

  msk = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Connect"
        Effect   = "Allow"
        Action   = ["kafka-cluster:Connect", "kafka-cluster:DescribeCluster"]
        Resource = var.msk_cluster_arn
      },
      {
        Sid      = "ReadAlerts"
        Effect   = "Allow"
        Action   = ["kafka-cluster:ReadData", "kafka-cluster:DescribeTopic", "kafka-cluster:DescribeTopicDynamicConfiguration"]
        Resource = "${local.msk_topics}/${var.topic}"
      },
      {
        Sid      = "ReadAndWriteDeadLetters"
        Effect   = "Allow"
        Action   = ["kafka-cluster:ReadData", "kafka-cluster:WriteData", "kafka-cluster:DescribeTopic", "kafka-cluster:DescribeTopicDynamicConfiguration"]
        Resource = "${local.msk_topics}/${var.dead_letter_topic}"
      },
      {
        Sid      = "ReadAndWriteRequests"
        Effect   = "Allow"
        Action   = ["kafka-cluster:ReadData", "kafka-cluster:WriteData", "kafka-cluster:DescribeTopic", "kafka-cluster:DescribeTopicDynamicConfiguration"]
        Resource = "${local.msk_topics}/${var.control_topic}"
      },
      {
        Sid      = "Group"
        Effect   = "Allow"
        Action   = ["kafka-cluster:DescribeGroup", "kafka-cluster:AlterGroup"]
        Resource = "${local.msk_groups}/${var.group_id}"
      },
      {
        Sid      = "GroupOfDoctor"
        Effect   = "Allow"
        Action   = ["kafka-cluster:DescribeGroup", "kafka-cluster:AlterGroup", "kafka-cluster:DeleteGroup"]
        Resource = "${local.msk_groups}/${var.group_id}.doctor"
      },
    ]
  }

  reader_trust = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Readers"
        Effect = "Allow"
        Principal = {
          AWS = var.reader_arns
        }
        Action = "sts:AssumeRole"
      },
    ]
  }

  reading = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ListThePrefix"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = "arn:${local.partition}:s3:::${var.bucket}"
        Condition = {
          StringLike = {
            "s3:prefix" = "${var.prefix}/*"
          }
        }
      },
      {
        Sid      = "ReadObjects"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "arn:${local.partition}:s3:::${var.bucket}/${var.prefix}/*"
      },
    ]
  }

  reading_with_key = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ListThePrefix"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = "arn:${local.partition}:s3:::${var.bucket}"
        Condition = {
          StringLike = {
            "s3:prefix" = "${var.prefix}/*"
          }
        }
      },
      {
        Sid      = "ReadObjects"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "arn:${local.partition}:s3:::${var.bucket}/${var.prefix}/*"
      },
      {
        Sid      = "UseTheKey"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = var.kms_key_arn
        Condition = {
          StringEquals = {
            "kms:ViaService" = "s3.${local.region}.amazonaws.com"
          }
        }
      },
    ]
  }

  crawler_trust = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Glue"
        Effect = "Allow"
        Principal = {
          Service = "glue.amazonaws.com"
        }
        Action = "sts:AssumeRole"
      },
    ]
  }

  crawler_permissions = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ReadAndWriteObjects"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject"]
        Resource = "arn:${local.partition}:s3:::${var.bucket}/${var.prefix}/*"
      },
    ]
  }

  crawler_permissions_with_key = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ReadAndWriteObjects"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject"]
        Resource = "arn:${local.partition}:s3:::${var.bucket}/${var.prefix}/*"
      },
      {
        Sid      = "UseTheKey"
        Effect   = "Allow"
        Action   = ["kms:GenerateDataKey", "kms:Decrypt"]
        Resource = var.kms_key_arn
        Condition = {
          StringEquals = {
            "kms:ViaService" = "s3.${local.region}.amazonaws.com"
          }
        }
      },
    ]
  }

  encrypted_transport = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OnlyWithTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = ["arn:${local.partition}:s3:::${var.bucket}", "arn:${local.partition}:s3:::${var.bucket}/*"]
        Condition = {
          Bool = {
            "aws:SecureTransport" = "false"
          }
        }
      },
    ]
  }
}
