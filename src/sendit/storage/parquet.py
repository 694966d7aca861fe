"""Write a small table of texts and whole numbers as an Apache Parquet file.

Just enough of the format for a manifest: one row group, one plain page a column, nothing
compressed, no nulls; the same table gives the same bytes.  Reading, types, statistics and
compression are for a library, which costs more to install than all of sendit.

Format: https://parquet.apache.org/docs/file-format/ (footer in Thrift's compact protocol).
"""

import struct
from collections.abc import Iterable, Mapping, Sequence

_MAGIC = b"PAR1"
_INT64, _BYTE_ARRAY = 2, 6
_PLAIN, _RLE = 0, 3
_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12
_UTF8, _REQUIRED, _DATA_PAGE, _UNCOMPRESSED = 0, 0, 0, 0
_CREATED_BY = "sendit"

Column = Sequence[str] | Sequence[int]


def parquet_bytes(columns: Mapping[str, Column]) -> bytes:
    """Return a file with these columns, in their order; each is all texts or all numbers.

    Raises
    ------
    ValueError
        When the columns are not equally long.
    """
    n_rows = len(next(iter(columns.values()), ()))
    if any(len(values) != n_rows for values in columns.values()):
        raise ValueError("the columns of a table are equally long")
    body = bytearray(_MAGIC)
    schema = [_struct((4, _BINARY, _text("schema")), (5, _I32, _varint(len(columns))))]
    chunks: list[bytes] = []
    for name, values in columns.items():
        is_text = bool(values) and isinstance(values[0], str)
        kind = _BYTE_ARRAY if is_text or not values else _INT64
        offset = len(body)
        page = _page(values, n_rows)
        body += page
        schema.append(_schema_element(name, kind))
        chunks.append(_column_chunk(name, kind, offset=offset, size=len(page), n_rows=n_rows))
    group = _struct(
        (1, _LIST, _list(_STRUCT, chunks)),
        (2, _I64, _varint(len(body) - len(_MAGIC))),
        (3, _I64, _varint(n_rows)),
    )
    footer = _struct(
        (1, _I32, _varint(1)),
        (2, _LIST, _list(_STRUCT, schema)),
        (3, _I64, _varint(n_rows)),
        (4, _LIST, _list(_STRUCT, [group])),
        (6, _BINARY, _text(_CREATED_BY)),
    )
    return bytes(body) + footer + struct.pack("<I", len(footer)) + _MAGIC


def _page(values: Column, n_rows: int) -> bytes:
    data = b"".join(map(_plain, values))
    header = _struct(
        (1, _I32, _varint(_DATA_PAGE)),
        (2, _I32, _varint(len(data))),
        (3, _I32, _varint(len(data))),
        (
            5,
            _STRUCT,
            _struct(
                (1, _I32, _varint(n_rows)),
                (2, _I32, _varint(_PLAIN)),
                (3, _I32, _varint(_RLE)),
                (4, _I32, _varint(_RLE)),
            ),
        ),
    )
    return header + data


def _plain(value: str | int) -> bytes:
    if isinstance(value, int):
        return struct.pack("<q", value)
    text = value.encode()
    return struct.pack("<I", len(text)) + text


def _schema_element(name: str, kind: int) -> bytes:
    fields = [(1, _I32, _varint(kind)), (3, _I32, _varint(_REQUIRED)), (4, _BINARY, _text(name))]
    if kind == _BYTE_ARRAY:
        fields.append((6, _I32, _varint(_UTF8)))
    return _struct(*fields)


def _column_chunk(name: str, kind: int, *, offset: int, size: int, n_rows: int) -> bytes:
    about = _struct(
        (1, _I32, _varint(kind)),
        (2, _LIST, _list(_I32, [_varint(_PLAIN), _varint(_RLE)])),
        (3, _LIST, _list(_BINARY, [_text(name)])),
        (4, _I32, _varint(_UNCOMPRESSED)),
        (5, _I64, _varint(n_rows)),
        (6, _I64, _varint(size)),
        (7, _I64, _varint(size)),
        (9, _I64, _varint(offset)),
    )
    return _struct((2, _I64, _varint(offset)), (3, _STRUCT, about))


# Thrift's compact protocol, as far as it is needed


def _struct(*fields: tuple[int, int, bytes]) -> bytes:
    """Return fields, each ``(number, type, value)``, in ascending order, and the end sign."""
    written = bytearray()
    last = 0
    for number, kind, value in fields:
        written.append((number - last) << 4 | kind)
        written += value
        last = number
    return bytes(written) + b"\0"


def _list(kind: int, values: Iterable[bytes]) -> bytes:
    items = list(values)
    if len(items) < 15:
        return bytes([len(items) << 4 | kind]) + b"".join(items)
    return bytes([0xF0 | kind]) + _unsigned(len(items)) + b"".join(items)


def _text(value: str) -> bytes:
    encoded = value.encode()
    return _unsigned(len(encoded)) + encoded


def _varint(value: int) -> bytes:
    """Return a signed number that is not negative, zigzag."""
    return _unsigned(value << 1)


def _unsigned(value: int) -> bytes:
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
