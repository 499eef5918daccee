"""Compose accepts the file, with and without its profiles."""

import json
import os

import pytest

from tests.compose.engine import run
from tests.compose.files import COMPOSE_FILE, services
from tests.compose.tools import COMPOSE

pytestmark = pytest.mark.tools


@pytest.mark.parametrize("profile", ["", "demo", "falco", "falcosidekick", "falco-host", "*"])
def test_compose_accepts_the_file(profile: str) -> None:
    options = ["--file", str(COMPOSE_FILE), "--profile", profile]
    found = json.loads(
        run([str(COMPOSE), *options, "config", "--format", "json"], dict(os.environ))
    )
    chosen = {
        name
        for name, service in services().items()
        if profile == "*" or profile in service.get("profiles", [profile])
    }
    assert found["services"].keys() == chosen
