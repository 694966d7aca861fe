"""The API's description (OpenAPI 3) and the page that shows it, from files of our own."""

from typing import Any  # Django REST framework's signature

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class _PlainErrors(APIView):
    """Errors as everywhere else, whatever the view itself is shown as."""

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        done = super().finalize_response(request, response, *args, **kwargs)
        if response.exception:
            done.accepted_renderer = JSONRenderer()
            done.accepted_media_type = "application/json"
        return done


@extend_schema(exclude=True)
class Description(_PlainErrors, SpectacularAPIView):
    """The description itself: YAML, or JSON for who asks for it, by ``?format=json`` too."""

    def get_renderers(self) -> list[BaseRenderer]:
        """Return those for the format that the address asks for, or all."""
        renderers: list[BaseRenderer] = super().get_renderers()
        wanted = self.request.GET.get("format")
        return [one for one in renderers if one.format == wanted] or renderers


@extend_schema(exclude=True)
class DescriptionPage(_PlainErrors, SpectacularSwaggerSplitView):
    """Swagger UI."""

    template_name = "web/api.html"
    url_name = "api-schema"
    url_self = None


@require_safe
def docs(_request: HttpRequest) -> HttpResponse:
    """Lead from where the original sendit listed its resources to where they are described."""
    return redirect("api-page")
