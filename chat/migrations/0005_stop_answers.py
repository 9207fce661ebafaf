from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("chat", "0004_operator")]

    operations = [
        migrations.AlterModelOptions(
            name="usage",
            options={
                "ordering": ["-created"],
                "permissions": [("stop_answers", "Can stop running answers")],
                "verbose_name_plural": "usage",
            },
        ),
    ]
