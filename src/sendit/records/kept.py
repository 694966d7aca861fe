"""Sums over a large table, kept beside it by the database and not worked out anew.

A trigger adds a row for what a number lost and one for what it gained, in the transaction that
changes the large table, whoever changes it: nobody waits for anybody, as all would for one row
that holds the number.  The watcher now and then puts the rows of a kind together, so that there
are few.  Which sums: ``counting.py`` and ``hours.py``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection, transaction

FEW = 1000
"""So many rows are read in a millisecond."""
AT_MOST = 10_000
"""Rows put together in one transaction."""


@dataclass(frozen=True, slots=True)
class KeptSums:
    """A table of sums; words are those of the two databases, by their name."""

    table: str
    keys: Sequence[str]
    values: Sequence[str]
    triggers: Mapping[str, Sequence[str]]
    """Part of a migration: what is changed here needs another one.

    So does a migration that makes SQLite copy a table with triggers, which go with the old one.
    """
    no_triggers: Mapping[str, Sequence[str]]
    terms: Mapping[str, str]
    """A question for what is summed: keys and values, under their names."""
    marks: Sequence[str] = ()
    """Columns that are true of a sum, and false of what a trigger added."""

    def keep_from_now_on(self) -> None:
        """Make the triggers, and sum what is there."""
        _run(*self.triggers[connection.vendor], self._summing())

    def keep_no_more(self) -> None:
        """Remove the triggers."""
        _run(*self.no_triggers[connection.vendor])

    def sum_anew(self) -> None:
        """Sum everything, whatever is kept of it."""
        clear = f"DELETE FROM {self.table}"  # noqa: S608 - ours, as all below
        with transaction.atomic():
            self.keep_out_others()
            if connection.vendor == "postgresql":
                # One statement sees one moment; what others add meanwhile is in neither part.
                _run(f"WITH gone AS ({clear}) {self._summing()}")
            else:
                _run(clear, self._summing())

    def keep_out_others(self) -> None:
        """Keep out whoever puts together or sums until the transaction ends; writers go on."""
        if connection.vendor == "postgresql":
            _run(f"LOCK TABLE {self.table} IN SHARE UPDATE EXCLUSIVE MODE")

    def are_right(self) -> bool:
        """Say whether what is kept is what summing finds."""
        keys, values = ", ".join(self.keys), ", ".join(self.values)
        less = ", ".join(f"-{value}" for value in self.values)
        wrong = " OR ".join(f"SUM({value}) <> 0" for value in self.values)
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT COUNT(*) FROM (SELECT 1 FROM (SELECT {keys}, {values} FROM {self.table} "  # noqa: S608
                f"UNION ALL SELECT {keys}, {less} FROM ({self.terms[connection.vendor]}) AS terms"
                f") AS both_ways GROUP BY {keys} HAVING {wrong}) AS wrong"
            )
            return not cursor.fetchone()[0]

    def _summing(self) -> str:
        columns = (*self.keys, *self.values, *self.marks)
        sums = (f"SUM({value})" for value in self.values)
        selected = (*self.keys, *sums, *("TRUE" for _ in self.marks))
        return (
            f"INSERT INTO {self.table} ({', '.join(columns)}) SELECT {', '.join(selected)} "  # noqa: S608
            f"FROM ({self.terms[connection.vendor]}) AS terms GROUP BY {', '.join(self.keys)}"
        )


def _run(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
