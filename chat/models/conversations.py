"""Conversations, and the messages in them.

A person's own rows are reached only through `owned_by` of the querysets.
"""

import uuid
from collections.abc import Sequence

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from chat.models.folded import FoldedModel, FoldedQuerySet
from chat.requester import Requester


class ConversationQuerySet(FoldedQuerySet["Conversation"]):
    def owned_by(self, requester: Requester) -> "ConversationQuerySet":
        """Returns the conversations that belong to the requester, and no others."""
        if requester.user_id is not None:
            return self.filter(user_id=requester.user_id)
        return self.filter(user=None, guest=requester.guest) if requester.guest else self.none()

    def delete(self) -> tuple[int, dict[str, int]]:
        """Deletes as Django does, but locks the rows before their messages are looked up.

        A message that a turn adds meanwhile would be left without its conversation.
        """
        with transaction.atomic():
            # A plain query: the admin's list counts messages, and PostgreSQL locks no grouped rows.
            own = self.model._default_manager.filter(pk__in=self.order_by().values("pk"))
            list(own.select_for_update().order_by("pk").values_list("pk"))
            return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]


class Conversation(FoldedModel):
    """Holds a tree of messages that belongs to one person or one guest."""

    FOLDED = "title"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="conversations",
    )
    guest = models.CharField(max_length=64, blank=True, db_index=True)
    title = models.CharField(max_length=200, blank=True)
    # For the search; "" where the text is ASCII (chat.folding).
    title_folded = models.TextField(blank=True, default="", editable=False)
    system_prompt = models.TextField(blank=True)
    model = models.ForeignKey("ChatModel", null=True, blank=True, on_delete=models.SET_NULL)
    created = models.DateTimeField(default=timezone.now)
    updated = models.DateTimeField(default=timezone.now)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        permissions = [
            ("read_content", "Can read conversations, while the site policy lets operators do so")
        ]
        ordering = ["-updated"]
        indexes = [models.Index(fields=["user", "-updated"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, guest="") | (Q(user__isnull=True) & ~Q(guest="")),
                name="conversation_has_one_owner",
            ),
        ]

    def __str__(self) -> str:
        # Not the title: it is content, and the admin and its log show this text.
        return str(self.id)


class MessageQuerySet(FoldedQuerySet["Message"]):
    def owned_by(self, requester: Requester) -> "MessageQuerySet":
        """Returns the messages in the requester's own conversations."""
        return self.filter(conversation__in=Conversation.objects.owned_by(requester))

    def answers(self) -> "MessageQuerySet":
        """Returns the messages that a model wrote, or is to write."""
        return self.filter(role=Message.Role.ASSISTANT)

    def turns_of(self, requester: Requester) -> "MessageQuerySet":
        """Returns the requester's answers that were asked for with an id of the turn."""
        return self.filter(turn_owner=requester.owner_key, turn__isnull=False)

    def oldest_first(self) -> "MessageQuerySet":
        """Orders by time; a prompt and its answer may have the same time."""
        return self.order_by("created", "-role", "pk")

    def streaming(self) -> "MessageQuerySet":
        """Returns the answers whose end is not saved yet."""
        return self.filter(status=Message.Status.STREAMING)

    def streaming_ids(self, answer_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
        """Reads which of the stored answers have an end that is not saved yet."""
        return set(self.streaming().filter(id__in=answer_ids).values_list("id", flat=True))

    def still_wanted_ids(self, answer_ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
        """Reads which of the stored answers still have their conversation."""
        return (
            set(self.filter(id__in=answer_ids).values_list("id", flat=True))
            if answer_ids
            else set()
        )

    def status_and_text(self, answer_id: uuid.UUID) -> tuple[str, str] | None:
        """Reads a stored answer; None where there is none.

        It may be a stateless answer, or one that was deleted.
        """
        return self.filter(id=answer_id).values_list("status", "content").first()


class Message(FoldedModel):
    """Holds a prompt or an answer.

    `parent` is the message it follows; a second child of one parent is a branch.
    """

    FOLDED = "content"

    class Role(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"

    class Status(models.TextChoices):
        STREAMING = "streaming"
        COMPLETE = "complete"
        STOPPED = "stopped"
        INTERRUPTED = "interrupted"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="messages"
    )
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="children"
    )
    role = models.CharField(max_length=10, choices=Role.choices)
    content = models.TextField(blank=True)
    content_folded = models.TextField(blank=True, default="", editable=False)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.COMPLETE)
    finish_reason = models.CharField(max_length=40, blank=True)
    model = models.CharField(
        max_length=120, blank=True, help_text="The upstream's name of the model that answered."
    )
    error_code = models.CharField(max_length=40, blank=True)
    error_reason = models.CharField(max_length=40, blank=True, editable=False)
    trimmed = models.PositiveIntegerField(
        default=0,
        editable=False,
        help_text="How many of the oldest messages the model was not sent.",
    )
    # A turn is one POST of one requester; the digest shows when it is sent again with another body.
    turn = models.UUIDField(null=True, blank=True, editable=False)
    turn_owner = models.CharField(max_length=80, blank=True, editable=False)
    turn_digest = models.CharField(max_length=64, blank=True, editable=False)
    created = models.DateTimeField(default=timezone.now)

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering = ["created"]
        indexes = [
            models.Index(fields=["conversation", "created"]),
            models.Index(
                fields=["status"], condition=Q(status="streaming"), name="message_streaming"
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["turn_owner", "turn"],
                condition=Q(turn__isnull=False),
                name="message_turn_once",
            ),
            models.CheckConstraint(
                condition=~Q(parent=models.F("id")), name="message_not_its_own_parent"
            ),
            models.CheckConstraint(
                condition=Q(role="assistant") | Q(status="complete"),
                name="message_prompt_is_complete",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.id}"
