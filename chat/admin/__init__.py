"""What the operator sees and sets.

No prompt, answer or title is shown here but on the one page of chat.admin.content: operators run
the site, they do not read along.
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
