"""Which of the daily questions read a large table from end to end: as PostgreSQL plans them.

``python -m benchmarks.scale_plans BATCHES`` prints, as JSON, for each question the tables that
it would read whole.  Every statement that a question sends is explained, as it was sent.
"""

import json
import sys

from django.db import connection

from benchmarks.scale_questions import prepare_database, questions, utc_now  # isort: skip
from benchmarks.backlog import fill  # isort: skip

LARGE = tuple(f"records_{name}" for name in ("batch", "image", "stagerun", "delivery", "hourcount"))


def main() -> int:
    """Fill the database and explain."""
    prepare_database()
    fill(batches=int(sys.argv[1]))
    print(json.dumps({name: read_whole(name) for name in questions(now=utc_now())}))
    return 0


def read_whole(name: str) -> list[str]:
    """Return the large tables that a question reads whole."""
    sent: list[tuple[str, object]] = []

    def listen(execute, sql, params, many, context):  # type: ignore[no-untyped-def]  # Django's
        if not many and sql.lstrip().startswith(("SELECT", "UPDATE", "DELETE")):
            sent.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(listen):
        questions(now=utc_now())[name]()
    found = set()
    with connection.cursor() as cursor:
        for sql, params in sent:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
            found |= set(_scans(cursor.fetchone()[0][0]["Plan"]))
    return sorted(found)


def _scans(plan: dict) -> list[str]:  # type: ignore[type-arg]  # PostgreSQL's JSON
    own = [plan["Relation Name"]] if plan["Node Type"] == "Seq Scan" else []
    inner = [name for part in plan.get("Plans", []) for name in _scans(part)]
    return [name for name in own + inner if name in LARGE]


if __name__ == "__main__":
    sys.exit(main())
