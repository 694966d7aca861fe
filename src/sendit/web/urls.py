"""The addresses of the pages; each is answered with and without the last slash."""

from django.urls import path

from sendit.records.addresses import both
from sendit.web import (
    batch,
    batches,
    dashboard,
    errors,
    image,
    oidc,
    projects,
    settings_page,
    sign_in,
    targets,
    views,
)

urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    *both("batches", batches.batch_list, "batches"),
    *both("batch/<number:number>", batch.batch_page, "batch"),
    *both("batch/<number:number>/report", batch.report, "report"),
    *both("batch/<number:number>/do/<slug:action>", batch.act, "act"),
    *both("image/<number:number>", image.image_page, "image"),
    *both("image/<number:number>/preview", image.preview, "preview"),
    *both("image/<number:number>/compare", image.compare, "compare"),
    *both("image/<number:number>/original", image.original_picture, "original"),
    *both("errors", errors.errors, "errors"),
    *both("errors/retry", errors.retry_all, "retry-all"),
    *both("projects", projects.projects, "projects"),
    *both("targets", targets.targets, "targets"),
    *both("settings", settings_page.settings_page, "settings"),
    path("favicon.ico", views.icon, name="icon"),
    *both("login", sign_in.password, "sign-in"),
    *both("oidc", oidc.begin, "oidc"),
    *both("oidc/back", oidc.come_back, "oidc-back"),
    *both("login/<token>", sign_in.link, "login"),
    *both("logout", sign_in.leave, "logout"),
    *both("healthz", views.healthz, "healthz"),
    *both("readyz", views.readyz, "readyz"),
]
