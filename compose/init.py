"""Create the topics and the bucket of the development stack, then exit.

Uses falcolake's own settings. Existing topics and buckets are kept, so it can run at every start.
"""

import argparse
import sys

from kafka.errors import for_code

from streams.errors import FalcolakeError, Misconfigured
from streams.kafka.client import open_admin
from streams.lake.session import connect
from streams.settings.load import load
from streams.settings.settings import Settings

DAY_MS = 86_400_000


def create_topics(settings: Settings, partitions: int, retention_days: int) -> None:
    """Create the missing topics; raise Misconfigured with the broker's reason."""
    names = settings.kafka
    days = {"retention.ms": str(retention_days * DAY_MS)}
    # People read dead letters, and may be away for weeks.
    long = {"retention.ms": str(30 * DAY_MS)}
    wanted = {
        names.topic: (partitions, days),
        names.control_topic: (1, days),
        names.dead_letter_topic: (partitions, long),
    }
    with open_admin(settings) as admin:
        there = {topic["name"] for topic in admin.describe_topics()}
        missing = {
            name: {"num_partitions": number, "replication_factor": 1, "configs": configs}
            for name, (number, configs) in wanted.items()
            if name not in there
        }
        results = admin.create_topics(missing, raise_errors=False)["topics"] if missing else []
        for result in results:
            if code := result["error_code"]:
                reason = result["error_message"] or for_code(code).__name__
                raise Misconfigured(
                    f"cannot create the topic {result['name']}: {reason}",
                    "look into the broker's log",
                )
            print(f"created the topic {result['name']}")
        admin.wait_for_topics(list(wanted))


def create_bucket(settings: Settings) -> None:
    """Create the bucket unless it exists."""
    s3, bucket = connect(settings.lake), settings.lake.bucket
    if bucket not in {each["Name"] for each in s3.list_buckets()["Buckets"]}:
        s3.create_bucket(Bucket=bucket)
        print(f"created the bucket {bucket}")


def main() -> int:
    """Create everything; return 0, or 1 after printing the reason."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--retention-days", type=int, default=7)
    options = parser.parse_args()
    try:
        settings = load()
        settings.require_lake()
        create_topics(settings, options.partitions, options.retention_days)
        create_bucket(settings)
    except FalcolakeError as error:
        print(f"Error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"Try: {error.hint}", file=sys.stderr)
        return 1
    print("topics and bucket are ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
