"""A trial commit that shows whether the broker keeps the metadata of commits.

It is made as a group that nobody else uses, which is deleted afterwards.
"""

from typing import TYPE_CHECKING

from streams.kafka.errors import is_forbidden

if TYPE_CHECKING:
    from kafka import TopicPartition

    from streams.kafka.client import Admin

METADATA = '{"v":1,"m":"doctor","ends":[]}'


def committed_metadata(admin: "Admin", group: str, place: "TopicPartition") -> str | None:
    """Commit `METADATA`, read it back and delete the group; None if that is not allowed."""
    from kafka.structs import OffsetAndMetadata

    try:
        done = admin.alter_group_offsets(group, {place: OffsetAndMetadata(0, METADATA, -1)})[place]
        if done.errno:
            return None
        found = admin.list_group_offsets({group: [place]})[group][place].metadata
        admin.delete_groups([group])
    except Exception as error:
        if is_forbidden(error):
            return None
        raise
    return str(found)
