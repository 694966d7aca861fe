"""Settings, typed, in one place."""

from sendit.config.load import Configuration, load, load_project, make_default_folders
from sendit.config.project import Project
from sendit.config.settings import Settings

__all__ = [
    "Configuration",
    "Project",
    "Settings",
    "load",
    "load_project",
    "make_default_folders",
]
