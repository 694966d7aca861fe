"""Queries whose SQL is worked out once, and then only run.

Django writes the text of a statement anew each time, which costs several times what running it
does; for a batch of a few images that would be most of what is done.  A function under
``Prepared`` says a query in Django's words.  It is called once for each kind of database, with a
stand-in for every argument, and from then on only the values change.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache, cached_property
from typing import Any, cast  # columns hold anything

from django.db import connections, models, transaction
from django.db.models import Expression
from django.db.models.sql import Query
from django.db.models.sql.subqueries import UpdateQuery

DATABASE = "default"


class Prepared:
    """A query with parameters.

    Parameters
    ----------
    build
        Says the query; its parameters are the names under which values are given.  A value
        stands where one can stand in SQL: not as a list, and not as None.
    """

    def __init__(self, build: Callable[..., models.QuerySet[Any, Any]]) -> None:
        self._build = build
        self._slots = {name: _Slot(name) for name in inspect.signature(build).parameters}
        self._questions: dict[str, _Question] = {}
        self._changes: dict[tuple[str, ...], _Statement] = {}

    def rows(self, **values: object) -> list[tuple[Any, ...]]:
        """Return the columns of each row found."""
        return self._question().rows(_bound(values))

    def row(self, **values: object) -> tuple[Any, ...] | None:
        """Return the columns of the first row found, if any."""
        return next(iter(self.rows(**values)), None)

    def objects(self, **values: object) -> list[Any]:
        """Return an object for each row found; what belongs to other tables is not read."""
        names = self._question().names
        return [self._model.from_db(DATABASE, names, row) for row in self.rows(**values)]

    def statement(self, **values: object) -> tuple[str, list[object]]:
        """Return the query as a part of a larger statement: its text, and the values in it."""
        return self._question().statement.text, self._question().statement.with_(_bound(values))

    def update(self, changes: Mapping[str, object], **values: object) -> int:
        """Change the rows found, and return how many there were.

        Parameters
        ----------
        changes
            New values by column, or expressions in Django's words, as ``F("attempts") + 1``.
        values
            Which rows.
        """
        connection = connections[DATABASE]
        said = {name: new for name, new in changes.items() if hasattr(new, "resolve_expression")}
        key = (connection.vendor, *(f"{name}={said.get(name, '')!r}" for name in changes))
        if key not in self._changes:
            slots = {name: said.get(name, _Slot(f"new {name}")) for name in changes}
            self._changes[key] = _change(self._queries().query, slots)
        new = {
            f"new {name}": _field(self._model, name).get_db_prep_save(value, connection)
            for name, value in changes.items()
            if name not in said
        }
        with transaction.mark_for_rollback_on_error(using=DATABASE):
            return self._changes[key].count({**_bound(values), **new})

    def _question(self) -> "_Question":
        vendor = connections[DATABASE].vendor
        if vendor not in self._questions:
            self._questions[vendor] = _Question(self._queries().query)
        return self._questions[vendor]

    def _queries(self) -> models.QuerySet[Any, Any]:
        return self._build(**self._slots)

    @cached_property
    def _model(self) -> type[models.Model]:
        return self._queries().model


def insert(row: models.Model) -> None:
    """Write one new row, and give it the number that the database chose."""
    model = type(row)
    connection = connections[DATABASE]
    key = connection.ops.quote_name(str(model._meta.pk.column))
    text = f"{_insertion(model, connection.vendor)} RETURNING {key}"
    with connections[DATABASE].cursor() as cursor:
        cursor.execute(text, _values(row))
        row.pk = cursor.fetchone()[0]


def insert_all(rows: Iterable[models.Model], *, unless_there: bool = False) -> None:
    """Write new rows of one table; they do not learn their numbers.

    Parameters
    ----------
    rows
        None or more.
    unless_there
        Whether to pass over those whose key is taken.
    """
    rows = list(rows)
    if not rows:
        return
    text = _insertion(type(rows[0]), connections[DATABASE].vendor)
    if unless_there:
        text += " ON CONFLICT DO NOTHING"
    with (
        transaction.mark_for_rollback_on_error(using=DATABASE),
        connections[DATABASE].cursor() as cursor,
    ):
        cursor.executemany(text, [_values(row) for row in rows])


class _Slot(Expression):
    """Stands for a value that is known when the statement is run."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(self, compiler: object, connection: object) -> tuple[str, list[Any]]:  # type: ignore[override]
        """Leave a place in the text, and oneself among the values."""
        return "%s", [self]


class _Statement:
    """The text of one statement, and what stands in its places: values, or slots."""

    def __init__(self, text: str, places: Iterable[object]) -> None:
        self.text = text
        self._places = tuple(places)

    def all(self, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Run it, and return what is found."""
        with connections[DATABASE].cursor() as cursor:
            cursor.execute(self.text, self.with_(values))
            found: list[tuple[Any, ...]] = cursor.fetchall()
        return found

    def count(self, values: Mapping[str, object]) -> int:
        """Run it, and return how many rows it was about."""
        with connections[DATABASE].cursor() as cursor:
            cursor.execute(self.text, self.with_(values))
            return int(cursor.rowcount)

    def with_(self, values: Mapping[str, object]) -> list[Any]:
        """Return what is put in the places."""
        return [values[place.name] if isinstance(place, _Slot) else place for place in self._places]


class _Question:
    """A ``SELECT``, and what makes values of its columns."""

    def __init__(self, query: Query) -> None:
        compiler = query.get_compiler(DATABASE)
        self.statement = _Statement(*compiler.as_sql())
        columns = [column for column, *_ in compiler.select[: compiler.col_count]]
        self.names = [column.target.attname for column in columns if hasattr(column, "target")]
        self._converters = compiler.get_converters(columns)

    def rows(self, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Return what is found."""
        return [self._row(list(row)) for row in self.statement.all(values)]

    def _row(self, row: list[Any]) -> tuple[Any, ...]:
        connection = connections[DATABASE]
        for place, (converters, expression) in self._converters.items():
            for convert in converters:
                row[place] = convert(row[place], expression, connection)
        return tuple(row)


def _change(query: Query, slots: Mapping[str, object]) -> _Statement:
    changing = cast("UpdateQuery", query.chain(UpdateQuery))
    changing.add_update_values(dict(slots))
    return _Statement(*changing.get_compiler(DATABASE).as_sql())


def _bound(values: Mapping[str, object]) -> dict[str, object]:
    """Return values as the database driver takes them."""
    adapt = connections[DATABASE].ops.adapt_datetimefield_value
    return {
        name: adapt(value) if isinstance(value, datetime) else value
        for name, value in values.items()
    }


@cache
def _insertion(model: type[models.Model], vendor: str) -> str:
    """Return the statement for one row, in the words of one kind of database."""
    quoted = connections[DATABASE].ops.quote_name
    columns = [quoted(field.column) for field in _written(model)]
    places = ", ".join(["%s"] * len(columns))
    return f"INSERT INTO {quoted(model._meta.db_table)} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 - names of our own columns


def _field(model: type[models.Model], name: str) -> Any:
    return model._meta.get_field(name)


@cache
def _written(model: type[models.Model]) -> list[Any]:
    """Return the fields whose value does not come from the database."""
    return [one for one in model._meta.concrete_fields if not isinstance(one, models.AutoField)]


def _values(row: models.Model) -> list[Any]:
    connection = connections[DATABASE]
    return [
        field.get_db_prep_save(field.pre_save(row, add=True), connection)
        for field in _written(type(row))
    ]
