"""The admin's pages: what the operator sees and sets.

Prompts, answers and titles are shown on the one page of chat.admin.content only: operators run the
site, they do not read along.
"""

from chat.admin import (
    conversations,
    grants,
    history_list,
    invitations,
    models,
    people,
    policy,
    quotas,
    usage,
)

__all__ = [
    "conversations",
    "grants",
    "history_list",
    "invitations",
    "models",
    "people",
    "policy",
    "quotas",
    "usage",
]
