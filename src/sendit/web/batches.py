"""The list of batches: filtered, searched, sorted, in pages; as fast for many as for few.

A name may tell who a patient is, and addresses are kept by browsers and proxies: it is posted, and
the address of what is found has numbers of batches in its place.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import cast
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from sendit.records.access import Access
from sendit.records.encrypted import keyed_digest
from sendit.records.models import Batch, Profile
from sendit.records.queries import BatchQuerySet
from sendit.terms import Status
from sendit.web.asking import who
from sendit.web.health import needing_a_person
from sendit.web.rows import rows

PER_PAGE = 50
SORTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "newest": ("Newest first", ("-pk",)),
    "oldest": ("Oldest first", ("pk",)),
    "finished": ("Last finished first", ("-finished", "-pk")),
    "largest": ("Largest first", ("-bytes", "-pk")),
}
_FILTERS = ("number", "project", "status", "errors", "since", "until", "sort")
_LONGEST = 200
_LONGEST_NUMBER = 18
_COPIES = range(2, 10)
"""A folder that comes again is ``NAME~2``, and so on."""


@require_http_methods(["GET", "HEAD", "POST"])
def batch_list(request: HttpRequest) -> HttpResponse:
    """List the batches that whoever asks may see; search for what is posted."""
    now = datetime.now(UTC)
    access = who(request)
    if request.method == "POST":
        return redirect(f"{reverse('batches')}?{urlencode(_searched(request.POST, access))}")
    asked = _asked(request.GET)
    found = _filtered(access.batches(), asked)
    sort = asked["sort"] if asked["sort"] in SORTS else "newest"
    paginator = Paginator(found.order_by(*SORTS[sort][1]), PER_PAGE)
    page = paginator.get_page(request.GET.get("page"))
    shown = rows(_from_the_near_end(page), access, now=now)
    kept = request.GET.copy()
    kept.pop("page", None)
    context = {
        "rows": shown,
        "page": page,
        "total": paginator.count,
        "asked": {**asked, "sort": sort},
        "filtered": any(asked[name] for name in asked if name != "sort"),
        "statuses": [word.value for word in Status if word != Status.SENT],
        "projects": _projects(access),
        "sorts": [(name, words) for name, (words, _) in SORTS.items()],
        "kept": f"{kept.urlencode()}&" if kept else "",
    }
    return render(request, "web/batches.html", context)


def _asked(said: Mapping[str, str]) -> dict[str, str]:
    return {name: _line(said.get(name, "")) for name in _FILTERS}


def _line(text: str) -> str:
    return text.strip().replace("\0", "")[:_LONGEST]


def _searched(said: Mapping[str, str], access: Access) -> dict[str, str]:
    """Return the filters that show what was asked for; 0 is the number of no batch."""
    asked = _asked(said)
    if text := _line(said.get("called", "")):
        found = access.batches().filter(_called(text)).values_list("pk", flat=True)
        asked["number"] = ",".join(map(str, sorted(found))) or "0"
    return {name: value for name, value in asked.items() if value}


def _from_the_near_end(page: Page[Batch]) -> list[Batch]:
    """Return the batches of a page; those of a late one are counted from the end."""
    total = page.paginator.count
    first = (page.number - 1) * PER_PAGE
    if first <= total // 2:
        return list(page.object_list)
    ordered = cast("BatchQuerySet", page.paginator.object_list)
    after = max(0, total - first - PER_PAGE)
    return list(reversed(ordered.reverse()[after : total - first]))


def _filtered(batches: BatchQuerySet, asked: Mapping[str, str]) -> BatchQuerySet:
    if asked["project"]:
        batches = batches.filter(project=asked["project"])
    if asked["status"] in Status.__members__:
        batches = batches.filter(status=asked["status"])
    if asked["errors"] == "yes":
        batches = batches.filter(has_error=True)
    elif asked["errors"] == "no":
        batches = batches.filter(has_error=False)
    elif asked["errors"] == "person":
        batches = needing_a_person(batches)
    since, until = _day(asked["since"]), _day(asked["until"])
    if since is not None:
        batches = batches.filter(created__gte=since)
    if until is not None:
        batches = batches.filter(created__lt=until + timedelta(days=1))
    return batches.filter(pk__in=_numbers(asked["number"])) if asked["number"] else batches


def _called(text: str) -> Q:
    """Match numbers or a whole name; names are encrypted, so parts of one cannot be found."""
    digests = [keyed_digest(name) for name in (text, *(f"{text}~{copy}" for copy in _COPIES))]
    return Q(uid_digest__in=digests) | Q(pk__in=_numbers(text))


def _numbers(text: str) -> list[int]:
    """Return the numbers in a text like ``#12`` or ``12,15``."""
    words = (word.strip().removeprefix("#") for word in text.split(","))
    return [
        int(word)
        for word in words
        if word.isascii() and word.isdigit() and len(word) <= _LONGEST_NUMBER
    ]


def _projects(access: Access) -> list[str]:
    """Return the projects that batches came in under, from their few profiles."""
    allowed = access.projects()
    profiles = Profile.objects.all()
    if allowed is not None:
        profiles = profiles.filter(project__in=allowed)
    return list(profiles.order_by("project").values_list("project", flat=True).distinct())


def _day(text: str) -> datetime | None:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return day if 1900 <= day.year <= 9000 else None
