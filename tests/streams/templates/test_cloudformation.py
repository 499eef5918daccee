"""The CloudFormation template, as its linter and CloudFormation's rules have it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from streams.templates.cloudformation import template
from streams.templates.parameters import with_values
from streams.templates.topics import TOPICS


def lint(path: Path, document: Any) -> "subprocess.CompletedProcess[str]":
    path.write_text(json.dumps(document))
    cfn_lint = Path(sys.executable).with_name("cfn-lint")
    command = [str(cfn_lint), "--regions", "eu-central-1", "--", str(path)]
    return subprocess.run(command, capture_output=True, text=True, cwd=path.parent)


def test_the_linter_finds_nothing_in_the_template(tmp_path: Path) -> None:
    done = lint(tmp_path / "template.json", template(with_values({})))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_linter_would_find_a_property_that_is_not_there(tmp_path: Path) -> None:
    document = template(with_values({}))
    topic = document["Resources"]["MskTopic"]["Properties"]
    topic["Partitions"] = topic.pop("PartitionCount")
    done = lint(tmp_path / "template.json", document)
    assert done.returncode != 0
    assert "'Partitions' was unexpected" in done.stdout


def test_each_topic_is_created_and_none_is_ever_deleted() -> None:
    resources = template(with_values({}))["Resources"]
    found = [each for each in resources.values() if each["Type"] == "AWS::MSK::Topic"]
    assert len(found) == len(TOPICS)
    assert {each["DeletionPolicy"] for each in found} == {"Retain"}


def test_no_rule_removes_an_object_that_audit_proves() -> None:
    bucket = template(with_values({}))["Resources"]["LakeBucket"]
    (rule,) = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
    assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    assert {name for name in rule if "Expiration" in name} == {"NoncurrentVersionExpiration"}
