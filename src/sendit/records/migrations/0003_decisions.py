"""What a person said when settling an error stood in clear; it is encrypted, and the word stays."""

from django.db import migrations


def encrypt(apps, schema_editor):
    finding_model = apps.get_model("records", "Finding")
    batch_model = apps.get_model("records", "Batch")
    changed = set()
    for finding in finding_model.objects.filter(resolved__contains=": ").iterator():
        word, _, said = finding.resolved.partition(": ")
        finding_model.objects.filter(pk=finding.pk).update(resolved=word, decision=said)
        changed.add(finding.batch_id)
    for batch in batch_model.objects.filter(pk__in=changed).only("errors", "alerts"):
        batch_model.objects.filter(pk=batch.pk).update(
            errors=[_without(entry) for entry in batch.errors],
            alerts=[_without(entry) for entry in batch.alerts],
        )


def _without(entry):
    resolved = entry.get("resolved")
    return {**entry, "resolved": resolved.partition(": ")[0] if resolved else resolved}


class Migration(migrations.Migration):
    dependencies = [("records", "0002_delivery")]
    operations = [migrations.RunPython(encrypt, migrations.RunPython.noop)]
