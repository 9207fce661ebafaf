"""Upper bounds of what forms take: nothing changes in the database."""

from decimal import Decimal

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0008_money_is_usd"),
    ]

    operations = [
        migrations.AlterField(
            model_name="chatmodel",
            name="context_tokens",
            field=models.PositiveIntegerField(
                default=128000,
                help_text="Prompt and answer together.",
                validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(100000000)],
            ),
        ),
        migrations.AlterField(
            model_name="chatmodel",
            name="input_usd_per_million",
            field=models.DecimalField(
                decimal_places=6,
                default=Decimal("0"),
                help_text="Price of a million prompt tokens.",
                max_digits=12,
                validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(10000)],
                verbose_name="input, USD per million",
            ),
        ),
        migrations.AlterField(
            model_name="chatmodel",
            name="max_output_tokens",
            field=models.PositiveIntegerField(
                default=16384,
                help_text="The limit sent with every request.",
                validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(100000000)],
            ),
        ),
        migrations.AlterField(
            model_name="chatmodel",
            name="output_usd_per_million",
            field=models.DecimalField(
                decimal_places=6,
                default=Decimal("0"),
                help_text="Price of a million completion tokens.",
                max_digits=12,
                validators=[django.core.validators.MinValueValidator(0), django.core.validators.MaxValueValidator(10000)],
                verbose_name="output, USD per million",
            ),
        ),
        migrations.AlterField(
            model_name="grant",
            name="tokens",
            field=models.PositiveBigIntegerField(default=0, validators=[django.core.validators.MaxValueValidator(1000000000000)]),
        ),
    ]
