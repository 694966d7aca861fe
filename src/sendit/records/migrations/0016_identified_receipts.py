"""Empty what receipts of identified deliveries say of places, as receipts have been written since.

Where an original is at a target may say whose it is, and receipts are not encrypted.
"""

from django.db import migrations
from django.db.models.expressions import RawSQL

EMPTIED = {
    "postgresql": """receipt || '{"stored": {}, "documents": {}}'""",
    "sqlite": "JSON_SET(receipt, '$.stored', JSON('{}'), '$.documents', JSON('{}'))",
}


def empty_places(apps, schema_editor):
    connection = schema_editor.connection
    deliveries = apps.get_model("records", "Delivery").objects.filter(
        batch__profile__content__anonymize=False, receipt__has_key="stored"
    )
    if connection.vendor == "sqlite":  # what is emptied is not to stay in the file's free pages
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA secure_delete=ON")
    deliveries.update(receipt=RawSQL(EMPTIED[connection.vendor], []))


class Migration(migrations.Migration):

    dependencies = [
        ('records', '0015_hour_counts'),
    ]

    operations = [
        migrations.RunPython(empty_places, migrations.RunPython.noop),
    ]
