"""A backlog of small studies in a PostgreSQL, as rows alone: no file belongs to them.

Most batches are done or wait in the queue, as in an installation that has run for years and
has just been given an archive; a few are on their way.
"""

from datetime import UTC, datetime

from django.apps import apps
from django.db import connection

from sendit.records.counting import COUNTS
from sendit.records.hours import HOURS

IMAGES_PER_BATCH = 10
ON_THEIR_WAY = 40

_PROFILE = """
INSERT INTO records_profile (digest, project, content, created)
VALUES ('sha256:bench', 'demo', %s, now()) ON CONFLICT DO NOTHING
"""
_CONTENT = (
    '{"name": "demo", "send": "auto", "anonymize": true, "targets": [{"name": "out"}], '
    '"accept": {"on_bad_image": "reject"}}'
)
_BATCHES = """
INSERT INTO records_batch (uid, uid_digest, folder, folder_key, inbox, project, profile_id,
    priority, status, stage, held, lease_token, attempts, has_error, errors, alerts, unreadable,
    bytes, expected_bytes, expected_files, accept_bad, turned_down, created, modified, started,
    finished, cleaned_at)
SELECT %s, 'digest-' || n, %s, '1:' || n, '/inbox', 'demo', 'sha256:bench', 0,
    kind.status, kind.stage, '', '', 0, false, '[]', '[]', 0, 500000, 500000, 10, false, false,
    now(), now(), now() - interval '1 hour',
    CASE WHEN kind.status = 'DONE' THEN now() - n * interval '1 second' END,
    CASE WHEN kind.status = 'DONE' THEN now() END
FROM generate_series(%s, %s) AS n, LATERAL (SELECT
    CASE WHEN n <= %s THEN (ARRAY['PROCESSING', 'DONEPROCESSING', 'PROCESSING', 'DONEPROCESSING'])
            [n %% 4 + 1] WHEN n %% 2 = 0 THEN 'DONE' ELSE 'QUEUE' END AS status,
    CASE WHEN n <= %s THEN (ARRAY['deidentify', 'send', 'identify', 'verify'])[n %% 4 + 1]
        WHEN n %% 2 = 0 THEN '' ELSE 'import' END AS stage) AS kind
"""
_IMAGES = """
INSERT INTO records_image (batch_id, nr, verdict, reason, detail, released, status, lease_token,
    attempts, sop_digest, modality, size, sop_instance_uid, series_instance_uid,
    study_instance_uid, patient_id, study_pseudonym, study_date, file, sha256, result_size,
    report, series_digest, announced, created, modified)
SELECT b.id, nr, 'ACCEPTED', '', '', '', CASE WHEN b.status = 'DONE' THEN 'DONE'
        WHEN b.stage IN ('send', 'verify') THEN 'DONEPROCESSING' ELSE 'NEW' END,
    '', 0, b.id || '-' || nr, 'CT', 50000, '2.25.' || b.id || nr, '2.25.1', '2.25.' || b.id, 'P',
    'S', '20200101', 'P/S/E/' || nr || '.dcm', '', 50000, '{}',
    's' || b.id, 10, now(), now()
FROM records_batch b, generate_series(1, %s) AS nr
WHERE b.id NOT IN (SELECT DISTINCT batch_id FROM records_image)
"""
_RUNS = """
INSERT INTO records_stagerun (batch_id, stage, worker, attempt, images, started, ended, outcome,
    code, elements)
SELECT b.id, run, 'w:1:1', 1, CASE run WHEN 'deidentify' THEN %s ELSE 0 END, b.started,
    b.finished, 'done', '', '[]'
FROM records_batch b,
    unnest(ARRAY['import', 'identify', 'deidentify', 'send', 'verify', 'clean_up']) AS run
WHERE b.status = 'DONE' AND b.id NOT IN (SELECT batch_id FROM records_stagerun)
"""
_DELIVERIES = """
INSERT INTO records_delivery (batch_id, target, kind, required, state, attempts, asked, created,
    modified)
SELECT b.id, 'out', 'folder', true, 'verified', 0, 0, now(), now()
FROM records_batch b
WHERE b.status = 'DONE' AND b.id NOT IN (SELECT batch_id FROM records_delivery)
"""
_HOURS = """
INSERT INTO records_hourcount (project, hour, batches, bytes, images, is_sum)
SELECT 'demo', date_trunc('hour', now()) - n * interval '1 hour', 1, 500000, 10, true
FROM generate_series(1, %s) AS n
"""
"""What is kept of hours before: of five years, for a hundred thousand batches."""


def fill(*, batches: int) -> None:
    """Bring the database to so many batches, each with ten images; what is done was delivered."""
    with connection.cursor() as cursor:
        for name in ("Batch", "Image"):
            _set_defaults(cursor, apps.get_model("records", name))
        cursor.execute(_PROFILE, [_CONTENT])
        cursor.execute("SELECT count(*) FROM records_batch")
        there = int(cursor.fetchone()[0])
        secret = apps.get_model("records", "Batch")._meta.get_field("uid").get_prep_value("bench")
        numbers = [there + 1, batches, ON_THEIR_WAY, ON_THEIR_WAY]
        cursor.execute(_BATCHES, [secret, secret, *numbers])
        cursor.execute(_IMAGES, [IMAGES_PER_BATCH])
        cursor.execute(_RUNS, [IMAGES_PER_BATCH])
        cursor.execute(_DELIVERIES)
        for sums in (COUNTS, HOURS):  # as the watcher does when it starts
            sums.sum_anew()
        cursor.execute(_HOURS, [batches // 2])
        # In service they come one by one, and are put together before they are many.
        cursor.execute("VACUUM FULL records_batchcount, records_hourcount")
        cursor.execute("VACUUM ANALYZE")


def _set_defaults(cursor, model) -> None:  # type: ignore[no-untyped-def]  # Django's
    """Give each column what the model gives it, so that the statements need not name them all."""
    quote = connection.ops.quote_name
    for column in model._meta.concrete_fields:
        if column.has_default() and not column.primary_key:
            value = column.get_db_prep_save(column.get_default(), connection)
            cursor.execute(
                f"ALTER TABLE {quote(model._meta.db_table)} "
                f"ALTER COLUMN {quote(column.column)} SET DEFAULT %s",
                [value],
            )


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)
