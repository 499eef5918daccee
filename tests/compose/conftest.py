"""The summary of a run: what it leaves out of the stack."""

import pytest

from tests.compose.standins import NOT_RUN


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.getoption("markexpr") == "engine":
        terminalreporter.write_line(
            f"Not run, for want of their images: {', '.join(sorted(NOT_RUN))}. The images of "
            "Python, Kafka, SeaweedFS and Prometheus were stand-ins, with the real programs."
        )
