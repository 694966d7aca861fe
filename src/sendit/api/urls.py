"""The addresses of the API; each is answered with and without the last slash."""

from collections.abc import Callable

from django.http.response import HttpResponseBase
from django.urls import URLPattern, path

from sendit.api import batches, description, images, nothing, numbers
from sendit.records.addresses import both

View = Callable[..., HttpResponseBase]


def _both(route: str, view: View, name: str) -> list[URLPattern]:
    if name in ("page", "docs"):  # for people, who are asked to sign in
        view.open_with_token = True  # type: ignore[attr-defined]  # read by the pages' middleware
        return both(f"api/{route}", view, f"api-{name}")
    return both(f"api/{route}", _open(view), f"api-{name}")


def _open(view: View) -> View:
    view.open_to_all = True  # type: ignore[attr-defined]  # Django REST framework looks who asks
    return view


urlpatterns = [
    *_both("", description.DescriptionPage.as_view(), "page"),
    *_both("docs", description.docs, "docs"),
    *_both("schema", description.Description.as_view(), "schema"),
    *_both("batches", batches.batch_list, "batches"),
    *_both("batches/<number:number>", batches.batch_detail, "batch"),
    *_both("batches/<number:number>/retry", batches.retry, "retry"),
    *_both("batches/<number:number>/resolve", batches.resolve, "resolve"),
    *_both("batches/<number:number>/release", batches.release, "release"),
    *_both("batches/<number:number>/upload_finished", batches.upload_finished, "send"),
    *_both("images", images.image_list, "images"),
    *_both("images/<number:number>", images.image_detail, "image"),
    *_both("metrics", numbers.metrics, "metrics"),
    *_both("metrics/gb", numbers.volume_of_a_week, "volume-of-a-week"),
    *_both("metrics/gb/<str:days>", numbers.volume, "volume"),
    path("api/<path:rest>", _open(nothing.NothingThere.as_view())),
]
