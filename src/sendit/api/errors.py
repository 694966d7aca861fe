"""Errors as JSON: ``{"message": …, "code": …}``, in plain words and without a value."""

from collections.abc import Mapping
from typing import Any  # what Django REST framework's errors hold is a tree of any shape

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from sendit.errors import ChangedMeanwhile, UsageError

NOT_THERE = "There is nothing here, or you may not see it."
MESSAGES: Mapping[int, tuple[str, str]] = {
    400: ("The request makes no sense.", "BAD_REQUEST"),
    401: ('Sign in, or show a token: "Authorization: Bearer TOKEN".', "NOT_SIGNED_IN"),
    403: ("You may not do this.", "NOT_ALLOWED"),
    404: (NOT_THERE, "NOT_FOUND"),
    405: ("This address does not answer to that method.", "METHOD_NOT_ALLOWED"),
    406: ("The answer is JSON; ask for that.", "NOT_ACCEPTABLE"),
    415: ("Send JSON: Content-Type: application/json.", "UNSUPPORTED_MEDIA_TYPE"),
    500: ("Something went wrong; the server's log says why.", "INTERNAL"),
    503: ("The database does not answer; try again in a moment.", "NOT_NOW"),
}


def answer_exception(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Return the answer to an exception of a view; None for those that are defects."""
    if isinstance(error, ChangedMeanwhile):
        return _response(412, str(error), error.code)
    if isinstance(error, RequestDataTooBig):
        return _response(413, "The body is too long.", "TOO_LARGE")
    if isinstance(error, UsageError):
        return _response(409, str(error), "NOT_POSSIBLE")
    response: Response | None = exception_handler(error, dict(context))
    if response is None:
        return None
    message, code = MESSAGES.get(response.status_code, MESSAGES[400])
    if isinstance(error, exceptions.ValidationError):
        message, code = _first(error.detail), "INVALID"
    elif isinstance(error, exceptions.NotFound) and not isinstance(error, Http404):
        message = str(error.detail)
    elif isinstance(error, exceptions.ParseError):
        message, code = "The body is not the JSON that is asked for.", "INVALID"
    elif isinstance(error, exceptions.AuthenticationFailed):
        message, code = str(error.detail), "BAD_TOKEN"
    elif isinstance(error, exceptions.PermissionDenied | PermissionDenied) and str(error):
        message = str(error)
    response.data = {"message": message, "code": code}
    return response


def error_page(_request: HttpRequest, status: int) -> JsonResponse:
    """Return the answer that Django gives without a view."""
    message, code = MESSAGES[status]
    return JsonResponse({"message": message, "code": code}, status=status)


def _response(status: int, message: str, code: str) -> Response:
    return Response({"message": message, "code": code}, status=status)


def _first(detail: Any, at: str = "") -> str:
    """Return the first of what was found wrong, with the name of the field."""
    if isinstance(detail, Mapping):
        name, inner = next(iter(detail.items()))
        return _first(inner, "" if name == "non_field_errors" else str(name))
    if isinstance(detail, list):
        return _first(detail[0], at)
    return f"{at}: {detail}" if at else str(detail)
