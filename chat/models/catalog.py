"""The models that people may choose."""

from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from chat.models.configured import ConfiguredQuerySet

# Above any real price and context, and low enough that a turn's cost and the sums of the ledger fit
# into the database's numbers.
_MAX_USD_PER_MILLION = 10_000
_MAX_TOKENS = 100_000_000


class ChatModel(models.Model):
    """Represents a model of the upstream that people may choose."""

    slug = models.CharField(
        max_length=120, unique=True, help_text="The upstream's name, such as gpt-4o-mini."
    )
    label = models.CharField(
        max_length=80, blank=True, help_text="What people see; the slug when blank."
    )
    enabled = models.BooleanField(default=True)
    is_default = models.BooleanField(default=False)
    input_usd_per_million = models.DecimalField(
        "input, USD per million",
        max_digits=12,
        decimal_places=6,
        default=Decimal(0),
        validators=[MinValueValidator(0), MaxValueValidator(_MAX_USD_PER_MILLION)],
        help_text="Price of a million prompt tokens.",
    )
    output_usd_per_million = models.DecimalField(
        "output, USD per million",
        max_digits=12,
        decimal_places=6,
        default=Decimal(0),
        validators=[MinValueValidator(0), MaxValueValidator(_MAX_USD_PER_MILLION)],
        help_text="Price of a million completion tokens.",
    )
    context_tokens = models.PositiveIntegerField(
        default=128_000,
        validators=[MinValueValidator(1), MaxValueValidator(_MAX_TOKENS)],
        help_text="Prompt and answer together.",
    )
    max_output_tokens = models.PositiveIntegerField(
        default=16_384,
        validators=[MinValueValidator(1), MaxValueValidator(_MAX_TOKENS)],
        help_text="The limit sent with every request.",
    )
    legacy_max_tokens = models.BooleanField(
        "send max_tokens",
        default=False,
        help_text="For servers that do not know max_completion_tokens.",
    )
    system_prompt = models.TextField(blank=True)
    fallback = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        help_text="Takes over when this model cannot be reached.",
    )
    position = models.PositiveIntegerField(default=0)
    # Learned from the upstream's refusals: see chat.upstream.learned.
    learned = models.JSONField(default=dict, blank=True, editable=False)

    objects = ConfiguredQuerySet.as_manager()

    class Meta:
        verbose_name = "model"
        ordering = ["position", "slug"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="model_one_default"
            ),
            models.CheckConstraint(
                condition=Q(input_usd_per_million__gte=0, output_usd_per_million__gte=0),
                name="model_prices_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(max_output_tokens__gte=1, context_tokens__gte=1),
                name="model_limits_positive",
            ),
        ]

    def __str__(self) -> str:
        return self.label or self.slug
