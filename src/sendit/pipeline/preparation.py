"""Make ready to work: the folders, the tables and the keys of this installation."""

from sendit.config import Configuration
from sendit.pipeline.workspace import Workspace
from sendit.records.installation import Keys, load_keys, migrate, one_at_a_time
from sendit.records.models import Installation


def prepare(configuration: Configuration) -> Keys:
    """Make a new installation, or see that an older one is whole, and return its keys.

    Raises
    ------
    sendit.errors.VolumeMissing
        When a working volume is not mounted.
    sendit.errors.KeyProblem
        When a key is missing or another one than this database knows.
    """
    workspace = Workspace(configuration.settings.work_dir)
    with one_at_a_time(workspace.work_dir):
        migrate()
        if Installation.objects.exists():
            workspace.check()
        else:
            workspace.create()
        return load_keys(configuration)
