"""The tables.

A person's own conversations and messages are read only through
`Conversation.objects.owned_by(requester)` and `Message.objects.owned_by(requester)`.
"""

from chat.models.catalog import ChatModel
from chat.models.conversations import Conversation, Message
from chat.models.invitations import Invitation
from chat.models.people import ContentAccess, Grant, Pause
from chat.models.policy import SitePolicy
from chat.models.quotas import Quota
from chat.models.usage import RefusalCount, Usage

__all__ = [
    "ChatModel",
    "ContentAccess",
    "Conversation",
    "Grant",
    "Invitation",
    "Message",
    "Pause",
    "Quota",
    "RefusalCount",
    "SitePolicy",
    "Usage",
]
