"""Names of fields only: nothing changes in the database."""

from decimal import Decimal

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0007_operator_reports"),
    ]

    operations = [
        migrations.AlterField(
            model_name="chatmodel",
            name="input_usd_per_million",
            field=models.DecimalField(
                decimal_places=6,
                default=Decimal("0"),
                help_text="Price of a million prompt tokens.",
                max_digits=12,
                validators=[django.core.validators.MinValueValidator(0)],
                verbose_name="input, USD per million",
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
                validators=[django.core.validators.MinValueValidator(0)],
                verbose_name="output, USD per million",
            ),
        ),
        migrations.AlterField(
            model_name="quota",
            name="spend_per_month_usd",
            field=models.DecimalField(
                blank=True,
                decimal_places=4,
                max_digits=12,
                null=True,
                validators=[django.core.validators.MinValueValidator(0)],
                verbose_name="spend per month (USD)",
            ),
        ),
        migrations.AlterField(
            model_name="sitepolicy",
            name="spend_per_month_usd",
            field=models.DecimalField(
                blank=True,
                decimal_places=4,
                help_text="For the whole site.",
                max_digits=12,
                null=True,
                validators=[django.core.validators.MinValueValidator(0)],
                verbose_name="spend per month (USD)",
            ),
        ),
    ]
