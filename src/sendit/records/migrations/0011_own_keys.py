from django.db import migrations, models

from sendit.records.encrypted import keyed_digest


def write_down_what_names_hang_on(apps, schema_editor):
    """Namespaces that were used before there were own keys have none."""
    history = apps.get_model("records", "IdentityHistory").objects
    ledger = apps.get_model("records", "LedgerNamespace").objects
    used = {*history.values_list("namespace", flat=True), *ledger.values_list("name", flat=True)}
    keys = apps.get_model("records", "NamespaceKey")
    keys.objects.bulk_create(keys(namespace=namespace) for namespace in sorted(used))


def begin_the_audit_log(apps, schema_editor):
    """An installation in which nothing had to be logged so far has no head of the log yet."""
    heads = apps.get_model("records", "AuditHead").objects
    installed = apps.get_model("records", "Installation").objects.exists()
    if installed and not heads.exists():
        heads.create(pk=1, proof=keyed_digest("audit head\0" + "0\0"))


class Migration(migrations.Migration):

    dependencies = [
        ('records', '0010_open_batches'),
    ]

    operations = [
        migrations.CreateModel(
            name='NamespaceKey',
            fields=[
                ('namespace', models.CharField(max_length=255, primary_key=True, serialize=False)),
                ('fingerprint', models.CharField(blank=True, default='', max_length=80)),
                ('rules', models.TextField(blank=True, default='')),
            ],
        ),
        migrations.RunPython(write_down_what_names_hang_on, migrations.RunPython.noop),
        migrations.RunPython(begin_the_audit_log, migrations.RunPython.noop),
    ]
