"""The command `template`."""

from typing import Annotated, Literal

import typer

from streams.commands.options import load_settings, source_name
from streams.errors import Misconfigured
from streams.terminal import print_json, print_text


def template(
    context: typer.Context,
    tool: Annotated[
        Literal["cloudformation", "terraform", "terraform-topics"],
        typer.Argument(metavar="TOOL", help="Whose template to print."),
    ],
    given: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter's default; repeatable."),
    ] = None,
) -> None:
    """Print a template that creates roles, lake and topics, with the statements of `policy`.

    \b
    cloudformation    roles, the bucket of a lake of your own, topics in MSK
    terraform         roles, bucket, and the custom source of Security Lake
    terraform-topics  the topics, in any Kafka

    Bucket, prefix, key, class, topics and group of the settings become defaults of the parameters;
    whoever deploys can give others. Account and region are those in which it is deployed. Sends
    nothing to AWS.

    \b
    Parameters: lake (new-bucket, existing-bucket, security-lake), bucket,
    prefix, kms_key_arn, worker_trust (irsa, pod-identity, ec2, ecs),
    eks_issuer, eks_cluster, namespace, service_account, reader_arns,
    source_name, external_id, event_class, msk_cluster_arn, create_topics,
    topic, dead_letter_topic, control_topic, group_id, partitions,
    replication_factor. CloudFormation writes them like KmsKeyArn.

    \b
    Examples:
      falcolake template cloudformation --set worker_trust=ec2 > falcolake.json
      falcolake template terraform > falcolake.tf
    """
    from streams.templates import cloudformation, parameters, terraform

    settings = load_settings(context)
    pairs = dict(_pair(each) for each in given or ())
    values = parameters.from_settings(settings, source_name(settings.lake.prefix), pairs)
    wanted = parameters.with_values(values)
    if tool == "cloudformation":
        print_json(cloudformation.template(wanted, settings.lake.region))
    elif tool == "terraform":
        print_text(terraform.in_one_file(terraform.falcolake(wanted)))
    else:
        print_text(terraform.in_one_file(terraform.topics(wanted)))


def _pair(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals:
        raise Misconfigured(f"--set {given!r} has no value", "for example --set worker_trust=ec2")
    return name, value
