"""Terraform's modules: they are what the code prints, and what HCL's own tools make of them."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from streams.lake import iam
from streams.templates import cloudformation, terraform
from streams.templates.parameters import PARAMETERS, with_values
from streams.templates.topics import TOPICS
from tests.compose.engine import EngineError, run
from tests.compose.files import MODULES, modules
from tests.compose.tools import tool

FILES = sorted(MODULES.glob("*/*.tf"))
each_file = pytest.mark.parametrize(
    "file", FILES, ids=lambda path: f"{path.parent.name}/{path.name}"
)
each_module = pytest.mark.parametrize("name", ["falcolake", "topics"])

#: What a module's variables, and the locals that ask AWS or compute something, are in the tests.
VALUES: dict[str, dict[str, Any]] = {
    "var": {
        **{parameter.name: f"the-{parameter.name}" for parameter in PARAMETERS},
        "reader_arns": ["arn:aws:iam::123456789012:root"],
        "partitions": 4,
    },
    "local": {
        "account": "123456789012",
        "partition": "aws-cn",
        "region": "cn-north-1",
        "issuer": "oidc.example.com/id/X",
        "msk_topics": "arn:the-topics",
        "msk_groups": "arn:the-groups",
    },
}


def text_of(name: str) -> str:
    return "\n".join(file.read_text() for file in FILES if file.parent.name == name)


def test_the_modules_are_those_that_the_command_prints() -> None:
    assert {file: file.read_text() for file in FILES} == modules()
    for name, made in (("falcolake", terraform.falcolake), ("topics", terraform.topics)):
        whole = terraform.in_one_file(made(with_values({})))
        assert all(file.read_text().strip() in whole for file in FILES if file.parent.name == name)


@each_module
def test_every_variable_is_used_and_every_reference_declared(name: str) -> None:
    text = text_of(name)
    declared = set(re.findall(r'^variable "(\w+)"', text, re.MULTILINE))
    own = re.compile(r"^  (\w+) += ", re.MULTILINE)
    blocks = re.findall(r"^locals \{$(.*?)^\}$", text, re.MULTILINE | re.DOTALL)
    local = {found for block in blocks for found in own.findall(block)}
    without = re.sub(r"validation \{.*?\n  \}", "", text, flags=re.DOTALL)
    assert set(re.findall(r"\bvar\.(\w+)", without)) == declared
    assert set(re.findall(r"\blocal\.(\w+)", text)) == local


def test_both_tools_keep_replaced_objects_for_as_long() -> None:
    found = re.findall(r"noncurrent_days = (\d+)", text_of("falcolake"))
    assert found == [str(cloudformation.NONCURRENT_DAYS)]


def filled(value: Any) -> Any:
    """Return a document with the tests' values in place of its references."""
    if isinstance(value, dict):
        return {filled(name): filled(part) for name, part in value.items()}
    if isinstance(value, list):
        return [filled(part) for part in value]
    if not isinstance(value, str):
        return value
    if whole := re.fullmatch(r"\$\{(var|local)\.(\w+)\}", value):
        return VALUES[whole[1]][whole[2]]
    return re.sub(r"\$\{(var|local)\.(\w+)\}", lambda found: VALUES[found[1]][found[2]], value)


def evaluated(file: Path, names: Mapping[str, Any], folder: Path) -> Any:
    """Return what hcldec makes of the locals of a file, with the tests' values."""
    attributes = "\n".join(f'attr "{name}" {{ type = any }}' for name in names)
    spec = folder / "spec.hcldec"
    spec.write_text(f'block {{\nblock_type = "locals"\nobject {{\n{attributes}\n}}\n}}\n')
    return json.loads(
        run([tool("hcldec"), f"--spec={spec}", f"--vars={json.dumps(VALUES)}", str(file)])
    )


def formatted(file: Path) -> str:
    return run([tool("hclfmt"), "-check", str(file)])


@pytest.mark.tools
@each_file
def test_hclfmt_reads_each_file_and_would_change_nothing(file: Path) -> None:
    assert formatted(file) == file.read_text()


@pytest.mark.tools
def test_hclfmt_would_find_what_is_wrong(tmp_path: Path) -> None:
    text, file = (MODULES / "topics" / "main.tf").read_text(), tmp_path / "main.tf"
    file.write_text(text.replace("  name ", "    name "))
    assert formatted(file) == text
    file.write_text(text.replace("{", "{{"))
    with pytest.raises(EngineError):
        formatted(file)


@pytest.mark.tools
def test_the_policies_are_evaluated_to_the_statements_of_policy(tmp_path: Path) -> None:
    wanted = filled(terraform.policies())
    found = evaluated(MODULES / "falcolake" / "policies.tf", wanted, tmp_path)
    assert found == wanted
    variables, place = VALUES["var"], VALUES["local"]
    lake = iam.Place(
        *(place["partition"], place["region"], variables["bucket"], variables["prefix"]),
        iam.Key(variables["kms_key_arn"]),
    )
    assert found["permissions_with_key"] == iam.permissions(lake)
    assert found["permissions"] == iam.permissions(lake._replace(key=None))
    assert found["reading_with_key"] == iam.reading(lake)
    assert found["crawler_trust"] == iam.trust_glue()


@pytest.mark.tools
def test_the_topics_are_evaluated_to_their_settings(tmp_path: Path) -> None:
    found = evaluated(MODULES / "topics" / "settings.tf", {"topics": None}, tmp_path)["topics"]
    assert found == {
        topic.parameter: {
            "name": VALUES["var"][topic.parameter],
            "partitions": 4 if topic.is_partitioned else 1,
            "config": dict(topic.config),
        }
        for topic in TOPICS
    }


@pytest.mark.tools
def test_a_reference_to_nothing_would_be_found(tmp_path: Path) -> None:
    file = tmp_path / "policies.tf"
    shutil.copy(MODULES / "falcolake" / "policies.tf", file)
    file.write_text(file.read_text().replace("var.prefix", "var.prefx", 1))
    with pytest.raises(EngineError, match="prefx"):
        evaluated(file, terraform.policies(), tmp_path)
