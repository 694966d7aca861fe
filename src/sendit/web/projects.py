"""The projects: what each takes, what its recipe does in plain words, and what that claims."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from sendit.config import Project
from sendit.deid.explain import explain_recipe
from sendit.deid.profile import OPTION_CODES, edition
from sendit.errors import SenditError
from sendit.metrics.wording import duration_text
from sendit.web.asking import who


@dataclass(frozen=True, slots=True)
class Shown:
    """One project, in words."""

    name: str
    title: str
    batches: int
    takes: Sequence[tuple[str, str]]
    recipe: str
    """As ``sendit recipe explain`` says it."""
    problem: str
    options: Sequence[tuple[str, str]]
    """Name and code of each option of PS3.15."""
    edition: str
    anonymizes: bool


@require_safe
def projects(request: HttpRequest) -> HttpResponse:
    """Show the configured projects that whoever asks may see."""
    access = who(request)
    allowed = access.projects()
    counts = dict(access.batches().order_by().values_list("project").annotate(number=Count("pk")))
    shown = [
        _shown(project, counts.get(name, 0))
        for name, project in sorted(settings.SENDIT.projects.items())
        if allowed is None or name in allowed
    ]
    return render(request, "web/projects.html", {"projects": shown})


def _shown(project: Project, batches: int) -> Shown:
    recipe, problem = "", ""
    options: tuple[str, ...] = ()
    try:
        resolved = project.recipe()
        recipe, options = explain_recipe(resolved), tuple(resolved.options)
    except SenditError as error:
        problem = str(error)
    return Shown(
        name=project.name,
        title=project.title,
        batches=batches,
        takes=_takes(project),
        recipe=recipe,
        problem=problem,
        options=[(name, code) for code, name in (OPTION_CODES[option] for option in options)],
        edition=edition(),
        anonymizes=project.anonymize,
    )


def _takes(project: Project) -> list[tuple[str, str]]:
    accept, retention = project.accept, project.retention
    burned = "excluded" if accept.burned_in == "reject" else "left to the pixel policy"
    names = f"{project.identity.kind}, namespace {project.identity.namespace}"
    sends = "by themselves" if project.send == "auto" else "when somebody says so"
    return [
        ("Modalities", ", ".join(accept.modalities) or "all"),
        ("SOP Classes", ", ".join(accept.sop_classes) or "all"),
        ("Text burned into the picture", burned),
        ("New names", names if project.anonymize else "none: images stay as they are"),
        ("Targets", ", ".join(target.name for target in project.targets) or "none: kept here"),
        ("Batches go on", sends),
        ("After delivery, originals", _kept(retention.originals)),
        ("Results", _kept(retention.results)),
        ("What links old and new names", _kept(retention.identifiers)),
    ]


def _kept(rule: str | timedelta) -> str:
    if isinstance(rule, timedelta):
        return f"are removed after {duration_text(rule)}"
    return "are removed at once" if rule == "remove" else "are kept"
