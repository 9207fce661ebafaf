"""What a first install starts with: the policy, one model and the default quota; the operator
changes them in the admin.
"""

from decimal import Decimal

from django.conf import settings
from django.db import migrations

# Known prices of the model that is the default of OPENAI_MODEL, in USD per million tokens.
_DEFAULT_MODEL = {
    "gpt-4o-mini": {
        "input_usd_per_million": Decimal("0.15"),
        "output_usd_per_million": Decimal("0.60"),
        "context_tokens": 128_000,
        "max_output_tokens": 16_384,
    },
}


def create(apps, schema_editor):
    slug = settings.OPENAI_MODEL
    apps.get_model("chat", "SitePolicy").objects.get_or_create(id=1)
    apps.get_model("chat", "ChatModel").objects.get_or_create(
        slug=slug, defaults={"is_default": True, **_DEFAULT_MODEL.get(slug, {})}
    )
    apps.get_model("chat", "Quota").objects.get_or_create(
        is_default=True,
        defaults={
            "name": "Default",
            "requests": "10/m, 500/d",
            "concurrent_streams": 3,
            "max_prompt_chars": 100_000,
            "max_messages": 200,
        },
    )


class Migration(migrations.Migration):
    dependencies = [("chat", "0001_tables")]
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
