"""Terraform's modules: roles, lake and custom source; and the topics of any Kafka.

The resources are in the `.tf` files beside this one. Their variables and the statements of their
policies are written here, so that they are those of the CloudFormation template.
"""

import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from streams.lake import iam
from streams.templates.parameters import Parameter, Parameters, of_terraform, of_topics
from streams.templates.topics import TOPICS, msk_rights

PLACE = iam.Place(
    *("${local.partition}", "${local.region}", "${var.bucket}", "${var.prefix}"),
    iam.Key("${var.kms_key_arn}"),
)
ACCOUNT = "${local.account}"
_KINDS = {"text": "string", "number": "number", "list": "list(string)"}
_REFERENCE = re.compile(r"\$\{((?:var|local)\.\w+)\}")


def falcolake(parameters: Parameters) -> dict[str, str]:
    """Return the files of the module of roles, lake and custom source, by their names."""
    return {
        "main.tf": _resources("falcolake.tf"),
        "variables.tf": _variables(of_terraform(parameters)),
        "policies.tf": _locals(policies()),
    }


def topics(parameters: Parameters) -> dict[str, str]:
    """Return the files of the module of the topics, by their names."""
    return {
        "main.tf": _resources("topics.tf"),
        "variables.tf": _variables(of_topics(parameters)),
        "settings.tf": _locals({"topics": _topics()}),
    }


def in_one_file(module: Mapping[str, str]) -> str:
    """Return a module as the text of a single file."""
    return "\n".join(module.values()).rstrip("\n")


def policies() -> dict[str, Any]:
    """Return the IAM documents by the names of the locals, with references to variables."""
    names = {
        name: f"${{var.{name}}}" for name in ("group_id", *(each.parameter for each in TOPICS))
    }
    provider = iam.provider_role("${var.source_name}", PLACE.region)
    plain = PLACE._replace(key=None)
    return {
        "worker_trusts": {
            "irsa": iam.trust_pods(
                PLACE.partition,
                ACCOUNT,
                *("${local.issuer}", "${var.namespace}", "${var.service_account}"),
            ),
            "pod-identity": iam.trust_pod_identity(ACCOUNT),
            "ec2": iam.trust_ec2(),
            "ecs": iam.trust_ecs(ACCOUNT),
        },
        "permissions": iam.permissions(plain),
        "permissions_with_key": iam.permissions(PLACE),
        "assume": iam.may_assume(f"arn:{PLACE.partition}:iam::{ACCOUNT}:role/{provider}"),
        "msk": msk_rights(
            *("${var.msk_cluster_arn}", "${local.msk_topics}", "${local.msk_groups}"), names
        ),
        "reader_trust": iam.trust_principals("${var.reader_arns}"),
        "reading": iam.reading(plain),
        "reading_with_key": iam.reading(PLACE),
        "crawler_trust": iam.trust_glue(),
        "crawler_permissions": iam.crawler_permissions(plain),
        "crawler_permissions_with_key": iam.crawler_permissions(PLACE),
        "encrypted_transport": iam.encrypted_transport(PLACE),
    }


def _topics() -> dict[str, Any]:
    return {
        each.parameter: {
            "name": f"${{var.{each.parameter}}}",
            "partitions": "${var.partitions}" if each.is_partitioned else 1,
            "config": dict(each.config),
        }
        for each in TOPICS
    }


def _resources(name: str) -> str:
    return files("streams.templates").joinpath(name).read_text()


def _variables(parameters: Parameters) -> str:
    return "\n".join(_variable(parameter) for parameter in parameters)


def _variable(parameter: Parameter) -> str:
    lines = [
        f"  description = {_value(parameter.description)}",
        f"  type        = {_KINDS[parameter.kind]}",
    ]
    if parameter.default is not None:
        lines.append(f"  default     = {_default(parameter, parameter.default)}")
    condition, message = _condition(parameter)
    lines += [
        "",
        "  validation {",
        f"    condition     = {condition}",
        f"    error_message = {_value(message)}",
        "  }",
    ]
    return "\n".join([f'variable "{parameter.name}" {{', *lines, "}", ""])


def _default(parameter: Parameter, value: str) -> str:
    if parameter.kind == "number":
        return value
    if parameter.kind == "list":
        return _value(value.split(",") if value else [])
    return _value(value)


def _condition(parameter: Parameter) -> tuple[str, str]:
    """Return the condition that a variable's value fulfils, and what to say if it does not."""
    name = f"var.{parameter.name}"
    if parameter.choices:
        choices = ", ".join(parameter.choices)
        return f"contains({_value(list(parameter.choices))}, {name})", f"Use one of {choices}."
    pattern = _value(f"^({parameter.pattern})$")
    message = f"{parameter.name} must be {parameter.meaning}."
    if parameter.kind == "list":
        return f"alltrue([for each in {name} : can(regex({pattern}, each))])", message
    return f"can(regex({pattern}, {name}))", message


def _locals(values: Mapping[str, Any]) -> str:
    parts = [f"  {name} = {_value(value, 1)}\n" for name, value in values.items()]
    return "locals {\n" + "\n".join(parts) + "}\n"


def _value(value: Any, depth: int = 0) -> str:
    """Return a value as HCL, as `terraform fmt` writes it; `depth` is that of its line."""
    if isinstance(value, str):
        whole = _REFERENCE.fullmatch(value)
        return whole[1] if whole else json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        if all(isinstance(each, str) for each in value):
            return f"[{', '.join(_value(each) for each in value)}]"
        inner = "".join(f"{'  ' * (depth + 1)}{_value(each, depth + 1)},\n" for each in value)
        return f"[\n{inner}{'  ' * depth}]"
    if isinstance(value, dict):
        return _object(value, depth)
    return json.dumps(value)


def _object(value: Mapping[str, Any], depth: int) -> str:
    """Return an object; the equals signs of lines that follow each other are in one column."""
    indent = "  " * (depth + 1)
    names = {key: key if re.fullmatch(r"[A-Za-z_]\w*", key) else json.dumps(key) for key in value}
    lines: list[str] = []
    chain: list[tuple[str, str]] = []

    def close() -> None:
        width = max((len(name) for name, _ in chain), default=0)
        lines.extend(f"{indent}{name.ljust(width)} = {text}\n" for name, text in chain)
        chain.clear()

    for key, part in value.items():
        text = _value(part, depth + 1)
        if "\n" in text:
            close()
        chain.append((names[key], text))
        if "\n" in text:
            close()
    close()
    return "{\n" + "".join(lines) + "  " * depth + "}"
