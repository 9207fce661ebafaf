"""Walks the tree of a conversation: the one place that follows `parent`. No database."""

from collections.abc import Iterable
from typing import Protocol, TypeVar
from uuid import UUID


class Node(Protocol):
    """Represents a message, or a row of some of its fields."""

    @property
    def id(self) -> UUID: ...

    @property
    def parent_id(self) -> UUID | None: ...


N = TypeVar("N", bound=Node)


def branch_to(last: UUID | None, nodes: Iterable[N]) -> list[N]:
    """Returns the path from the first prompt to the node with the id `last`, oldest first.

    It begins later where a node's parent is not among `nodes`; it is empty where `last` is not.
    """
    by_id = {node.id: node for node in nodes}
    path: list[N] = []
    node = by_id.get(last) if last else None
    while node is not None:
        path.append(node)
        node = by_id.get(node.parent_id) if node.parent_id else None
    return path[::-1]
