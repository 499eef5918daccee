"""The parameters' own rules hold for their defaults, and each tool can read their patterns."""

import re

import pytest

from streams.errors import Misconfigured
from streams.templates.parameters import (
    PARAMETERS,
    Parameter,
    of_cloudformation,
    of_terraform,
    of_topics,
    with_values,
)

each_parameter = pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda each: each.name)


@each_parameter
def test_a_default_is_a_value_that_the_parameter_can_have(parameter: Parameter) -> None:
    if parameter.default is None:
        assert parameter.name == "bucket"
    else:
        parameter.check(parameter.default)


@each_parameter
def test_a_pattern_repeats_no_more_than_terraform_can(parameter: Parameter) -> None:
    counts = re.findall(r"(?<!\\)\{(\d+)(?:,(\d*))?\}", parameter.pattern)
    assert all(int(count) <= 1000 for pair in counts for count in pair if count)
    assert "(?" not in parameter.pattern


@each_parameter
@pytest.mark.parametrize("value", ["*", "${var.x}", "%{ if }", 'a"b', "a\\b", "a\nb"])
def test_no_value_can_be_a_wildcard_or_become_code(parameter: Parameter, value: str) -> None:
    with pytest.raises(Misconfigured):
        parameter.check(value)


def test_each_parameter_is_one_of_some_template() -> None:
    parameters = with_values({})
    found = {*of_cloudformation(parameters), *of_terraform(parameters), *of_topics(parameters)}
    assert found == set(parameters)
