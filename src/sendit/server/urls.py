"""Which address is answered by what."""

from django.urls import include, path

urlpatterns = [
    path("", include("sendit.web.urls")),
]
