"""The addresses of the identity service; each is answered with and without the last slash."""

from django.urls import path

from sendit.server import identity_views as views

urlpatterns = [
    path(f"{route}{slash}", view)
    for route, view in (
        ("identifiers/api/v1/uid/<str:study>", views.uid),
        ("identifiers/api/v1/mrn/<str:study>", views.mrn),
        ("token/api/v1/refresh", views.refresh),
    )
    for slash in ("", "/")
]
handler400 = views.bad_request
handler404 = views.not_found
handler500 = views.server_error
