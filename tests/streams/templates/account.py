"""An AWS account that the tests fill templates with, at moto or on paper."""

ACCOUNT, REGION = "123456789012", "eu-central-1"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234-abcd"
READERS = [f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("analyst", "auditor")]
CLUSTER = f"arn:aws:kafka:{REGION}:{ACCOUNT}:cluster/events/12-ab"
ISSUER = "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE"
SOURCE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/AmazonSecurityLake-Provider-falco-{REGION}"
