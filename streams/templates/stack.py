"""What a CloudFormation template is given: its parameters, the rules for them, its conditions."""

from typing import Any

from streams.templates.parameters import Parameter, Parameters, of_cloudformation

Json = dict[str, Any]


def parameters(wanted: Parameters) -> Json:
    """Return the section of the parameters."""
    return {logical(each.name): _parameter(each) for each in of_cloudformation(wanted)}


def logical(name: str) -> str:
    """Return a parameter's name as CloudFormation has it: kms_key_arn → KmsKeyArn."""
    return "".join(word.capitalize() for word in name.split("_"))


def _parameter(parameter: Parameter) -> Json:
    kinds = {"text": "String", "number": "Number", "list": "CommaDelimitedList"}
    found: Json = {"Type": kinds[parameter.kind], "Description": parameter.description}
    if parameter.default is not None:
        found["Default"] = parameter.default
    if parameter.choices:
        found["AllowedValues"] = list(parameter.choices)
    elif parameter.kind == "list":
        # Each of them is matched; none of them is one empty text.
        found["AllowedPattern"] = f"^(|{parameter.pattern})$"
    elif parameter.kind == "text":
        found["AllowedPattern"] = f"^({parameter.pattern})$"
    else:
        found["MinValue"] = int(parameter.pattern[1])
    if "AllowedPattern" in found:
        found["ConstraintDescription"] = parameter.meaning
    return found


def _equals(parameter: str, value: str) -> Json:
    return {"Fn::Equals": [{"Ref": parameter}, value]}


def _given(parameter: str) -> Json:
    return {"Fn::Not": [_equals(parameter, "")]}


def rules() -> Json:
    """Return what must be given together."""

    def rule(when: Json, needed: str, why: str) -> Json:
        assertion = {"Assert": _given(needed), "AssertDescription": why}
        return {"RuleCondition": when, "Assertions": [assertion]}

    return {
        "PodsNeedTheirIssuer": rule(
            _equals("WorkerTrust", "irsa"),
            "EksIssuer",
            "with WorkerTrust=irsa, EksIssuer is the cluster's issuer",
        ),
        "SourcesNeedAnExternalId": rule(
            _equals("Lake", "security-lake"),
            "ExternalId",
            "with Lake=security-lake, ExternalId is a long random text",
        ),
    }


def conditions() -> Json:
    """Return the conditions of resources and outputs, by their names."""

    def condition(name: str) -> Json:
        return {"Condition": name}

    return {
        "HasNewBucket": _equals("Lake", "new-bucket"),
        "IsSecurityLake": _equals("Lake", "security-lake"),
        "HasLakeOfItsOwn": {"Fn::Not": [condition("IsSecurityLake")]},
        "HasKey": _given("KmsKeyArn"),
        "TrustsPods": _equals("WorkerTrust", "irsa"),
        "TrustsPodIdentity": _equals("WorkerTrust", "pod-identity"),
        "TrustsInstances": _equals("WorkerTrust", "ec2"),
        "HasAssociation": {"Fn::And": [condition("TrustsPodIdentity"), _given("EksCluster")]},
        "HasReaders": {"Fn::Not": [{"Fn::Equals": [_joined("ReaderArns"), ""]}]},
        "HasMsk": _given("MskClusterArn"),
        "HasTopics": {"Fn::And": [condition("HasMsk"), _equals("CreateTopics", "true")]},
    }


def _joined(parameter: str) -> Json:
    return {"Fn::Join": ["", {"Ref": parameter}]}
