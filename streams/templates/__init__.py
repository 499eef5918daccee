"""What installs the roles, the lake and the topics: a CloudFormation template, Terraform modules.

Statements come from `streams.lake.iam`, which `falcolake policy` prints; here they have references
in place of names. Pure: settings in, text or JSON types out.
"""
