"""Numbers of rows in addresses, and addresses that answer with and without the last slash."""

from collections.abc import Callable
from typing import Any  # Django's signature

from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, register_converter


class NumberConverter:
    """A number that a column can hold; what is longer is no address."""

    regex = "[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        """Return the number."""
        return int(value)

    def to_url(self, value: Any) -> str:
        """Return its text."""
        return str(value)


register_converter(NumberConverter, "number")


def both(route: str, view: Callable[..., HttpResponseBase], name: str) -> list[URLPattern]:
    """Return two patterns for one view; the name stands for the one with the last slash."""
    route = route.rstrip("/")
    return [path(route, view), path(f"{route}/", view, name=name)]
