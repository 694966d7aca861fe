"""Roles and the rights that each gives: the whole table, and nothing else."""

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """What a person is here for; one person may have several, each for all projects or for one."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    REVIEWER = "reviewer"
    REIDENTIFIER = "re-identifier"
    ADMIN = "admin"


class Right(StrEnum):
    """What somebody may do."""

    VIEW = "view"
    """See batches, images and previews of results."""
    RETRY = "retry"
    """Let a stopped batch try again, and a waiting one go on to its targets."""
    RESOLVE = "resolve"
    """Accept a batch without its bad files, or reject it."""
    RELEASE = "release"
    """Let held images go on."""
    PHI = "phi"
    """See what identifies a person: names of files, originals."""
    CONFIGURE = "configure"
    """See how the installation is configured."""


RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.VIEW}),
    Role.OPERATOR: frozenset({Right.VIEW, Right.RETRY, Right.RESOLVE}),
    Role.REVIEWER: frozenset({Right.VIEW, Right.RESOLVE, Right.RELEASE}),
    Role.REIDENTIFIER: frozenset({Right.VIEW, Right.PHI}),
    # Whoever runs the node need not know whose images it carries.
    Role.ADMIN: frozenset(Right) - {Right.PHI},
}


class Scope(StrEnum):
    """What a token is good for; never more than its owner's rights."""

    READ = "read"
    ACT = "act"
    PHI = "phi"


SCOPES: Mapping[Scope, frozenset[Right]] = {
    Scope.READ: frozenset({Right.VIEW, Right.CONFIGURE}),
    Scope.ACT: frozenset({Right.VIEW, Right.RETRY, Right.RESOLVE, Right.RELEASE}),
    Scope.PHI: frozenset({Right.VIEW, Right.PHI}),
}
