"""Lists in pages: ``count``, ``next``, ``previous``, ``results``."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar  # query parameters and JSON

from django.core.paginator import EmptyPage, Paginator
from django.db.models import Model, QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from sendit.api.shapes import LARGEST_PAGE, PageQuery

M = TypeVar("M", bound=Model)


def read_query(request: Request, shape: type[PageQuery]) -> dict[str, Any]:
    """Return the parameters of a list, checked.

    Raises
    ------
    rest_framework.exceptions.ValidationError
        When one of them makes no sense.
    """
    given = {name: str(value) for name, value in request.query_params.items()}
    if "has_error" in given:
        given["has_error"] = given["has_error"].lower()
    query = shape(data=given)
    query.is_valid(raise_exception=True)
    checked: dict[str, Any] = query.validated_data
    return checked


def both_down_or_up(ordering: str) -> tuple[str, str]:
    """Return the columns to order by; alike ones go by number, in the direction of the index."""
    return ordering, "-pk" if ordering.startswith("-") else "pk"


def page_of(
    request: Request,
    rows: QuerySet[M],
    query: dict[str, Any],
    tell: Callable[[Sequence[M]], list[dict[str, Any]]],
) -> Response:
    """Return one page of a list.

    Raises
    ------
    rest_framework.exceptions.NotFound
        When the list is not that long.
    """
    size = min(query["page_size"], LARGEST_PAGE)
    try:
        page = Paginator(rows, size).page(query["page"])
    except (EmptyPage, OverflowError):
        raise NotFound("There is no such page; the list is shorter.") from None
    after = page.next_page_number() if page.has_next() else None
    before = page.previous_page_number() if page.has_previous() else None
    return Response(
        {
            "count": page.paginator.count,
            "next": _link(request, after),
            "previous": _link(request, before),
            "results": tell(list(page.object_list)),
        }
    )


def _link(request: Request, number: int | None) -> str | None:
    if number is None:
        return None
    query = request.query_params.copy()
    query["page"] = str(number)
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
