"""The command `init`."""

from pathlib import Path
from typing import Annotated

import typer

from streams.errors import Misconfigured
from streams.terminal import print_text, say

#: The settings that have no default that fits everyone, and what is asked for each.
QUESTIONS = {
    "kafka.bootstrap_servers": "Kafka brokers, host:port",
    "kafka.topic": "Topic with Falco's alerts",
    "lake.bucket": "S3 bucket of the lake",
    "lake.region": "AWS region of the lake",
    "lake.account_id": "AWS account of the alerts",
}


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write.")] = Path(
        "falcolake.toml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Ask five questions and write a settings file, with every other setting as a comment.

    \b
    Example:
      falcolake init
      falcolake doctor
    """
    from streams.settings import text as settings_text

    if file.exists() and not force:
        raise Misconfigured(f"{file} exists", "give --force to replace it, or another file name")
    answers = {name: _ask(name, words) for name, words in QUESTIONS.items()}
    text = settings_text.toml(answers) + "\n"
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Misconfigured(
            f"cannot write {file}: {error.strerror}", "choose another file"
        ) from None
    print_text(f"wrote {file}; 'falcolake doctor' checks it")


def _ask(name: str, words: str) -> str:
    """Ask until the answer is a valid value of the setting."""
    from streams.settings.load import problem
    from streams.settings.text import default

    while True:
        answer: str = typer.prompt(words, default=default(name), err=True).strip()
        if (why := problem(name, answer)) is None:
            return answer
        say(f"{answer!r}: {why}")
