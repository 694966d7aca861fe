"""Only ``pipeline/machine`` writes a state: the syntax tree of the product says so."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[3] / "src" / "sendit"
MACHINE = SOURCES / "pipeline" / "machine"

STATE = {
    "status",
    "stage",
    "held",
    "lease_token",
    "lease_until",
    "attempts",
    "retry_at",
    "due_at",
    "has_error",
    "errors",
    "alerts",
    "unreadable",
    "accept_bad",
    "turned_down",
    "removals",
    "started",
    "finished",
    "cleaned_at",
}
"""Columns of Batch and Image that the machine alone writes."""

WRITERS = {
    *("update", "create", "acreate", "aupdate", "bulk_update", "abulk_update"),
    *("get_or_create", "update_or_create", "aget_or_create", "aupdate_or_create"),
}
ROWS = {"Batch", "Image"}
ALLOWED = {
    # Import makes an Image of each file; its state is the default of the column.
    "pipeline/stages/import_files.py": {"Image()"},
    # Whole tables, as they were: one snapshot read, and put into an empty database.
    "pipeline/backup.py": {".execute()"},
    "pipeline/restore.py": {".execute()"},
    # Runs what others say in Django's words; who calls it is looked at as above.
    "records/prepared.py": {".execute()", ".executemany()"},
    # Rows of tables that the database also writes; of the others it only reads.
    "records/kept.py": {".execute()"},
    # How long to wait for the medium.
    "records/passing.py": {".execute()"},
    # One read of the identity ledger.
    "records/ledger.py": {".execute()"},
    # A log record, not a row.
    "server/logs.py": {".stage ="},
}


def breaches(source: str) -> Iterator[str]:
    """Yield what a module writes that is the machine's alone."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Assign(targets=targets):
                yield from _assigned(targets)
            case ast.AugAssign(target=target) | ast.AnnAssign(target=target, value=ast.expr()):
                yield from _assigned([target])
            case ast.Delete(targets=targets):
                yield from _assigned(targets)
            case ast.Call():
                yield from _called(node)


def _assigned(targets: list[ast.expr]) -> Iterator[str]:
    for target in targets:
        for node in ast.walk(target):
            own = isinstance(node, ast.Attribute) and _is_self(node.value)
            if isinstance(node, ast.Attribute) and node.attr in STATE and not own:
                yield f".{node.attr} ="


def _is_self(node: ast.expr) -> bool:
    """An object's own attribute is not a column, unless the object is a model; none is here."""
    return isinstance(node, ast.Name) and node.id == "self"


def _called(call: ast.Call) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    function = call.func.id if isinstance(call.func, ast.Name) else ""
    words = [*_words(call)]
    if name in WRITERS:
        yield from (f".{name}({word})" for word in words if word in STATE)
        if any(keyword.arg is None for keyword in call.keywords):
            yield f".{name}(**)"
        if _is_prepared(call.func) and any(not isinstance(one, ast.Dict) for one in call.args):
            yield f".{name}(**)"
    if function in ROWS:
        yield f"{function}()"
        yield from (f"{function}({word})" for word in words if word in STATE)
    if function == "setattr":
        yield "setattr()"
    if name in ("save", "asave", "raw"):
        yield f".{name}()"
    if name in ("execute", "executemany") and not _only_reads(call):
        yield f".{name}()"


def _is_prepared(function: ast.expr) -> bool:
    """Prepared statements are constants of their module."""
    owner = function.value if isinstance(function, ast.Attribute) else None
    return isinstance(owner, ast.Name) and owner.id.isupper()


def _only_reads(call: ast.Call) -> bool:
    match call.args:
        case [ast.Constant(value=str(statement)), *_]:
            return statement.upper().startswith("SELECT ")
    return False


def _words(call: ast.Call) -> Iterator[str]:
    """Yield keywords, keys of dictionaries (``defaults=``), and fields of ``bulk_update``."""
    for keyword in call.keywords:
        if keyword.arg:
            yield keyword.arg
        for node in ast.walk(keyword.value):
            if isinstance(node, ast.Dict):
                yield from (str(key.value) for key in node.keys if isinstance(key, ast.Constant))
    for argument in call.args:
        for node in ast.walk(argument):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def modules() -> list[Path]:
    """Return every module of the product that is not the machine's."""
    return [
        path
        for path in sorted(SOURCES.rglob("*.py"))
        if not path.is_relative_to(MACHINE) and "migrations" not in path.parts
    ]


def test_no_module_outside_the_machine_writes_a_state() -> None:
    found = {}
    for path in modules():
        name = str(path.relative_to(SOURCES))
        if extra := set(breaches(path.read_text())) - ALLOWED.get(name, set()):
            found[name] = extra

    assert found == {}


def test_the_machine_is_seen_to_write() -> None:
    written = {breach for path in MACHINE.glob("*.py") for breach in breaches(path.read_text())}

    assert ".update(lease_token)" in written
    assert ".create(status)" in written


@pytest.mark.parametrize(
    "breach",
    [
        "batch.status = Status.DONE",
        "batch.status, other = 1, 2",
        "batch.attempts += 1",
        "batch.held: str = ''",
        "setattr(batch, 'status', 1)",
        "setattr(batch, name, 1)",
        "Batch.objects.filter(pk=1).update(stage='send')",
        "Batch.objects.filter(pk=1).update(**changes)",
        "PREPARED.update(changes, batch=1)",
        "PREPARED.update({'stage': 'send'}, batch=1)",
        "Batch.objects.create(uid='x', status='QUEUE')",
        "Batch(uid='x', stage='import')",
        "Image(status='NEW')",
        "Image.objects.bulk_update(images, ['status'])",
        "Batch.objects.update_or_create(pk=1, defaults={'has_error': True})",
        "Batch.objects.get_or_create(uid='x', defaults=dict(errors=[]), lease_until=None)",
        "batch.save()",
        "cursor.execute('UPDATE records_batch SET status = 1')",
    ],
)
def test_a_planted_breach_is_caught(breach: str) -> None:
    assert list(breaches(breach))
