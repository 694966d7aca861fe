"""``sendit user``: who may sign in to the pages, and in which roles.

Each change stands in the audit log, with who ran the command; a password never does.
"""

import argparse
import getpass
import re
import sys

from axes.utils import reset as free
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser
from django.db import transaction

from sendit.cli.command import SenditCommand
from sendit.cli.table import table
from sendit.cli.writing_down import write_down
from sendit.config import Configuration
from sendit.errors import UsageError
from sendit.records.access import LOCAL_USER
from sendit.records.accounts import is_from_a_provider
from sendit.records.people import Grant
from sendit.records.roles import Role

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,149}")
_ROLES = [role.value for role in Role]


class Command(SenditCommand):
    """Makes users and grants them roles."""

    help = """Make users of the status pages and the API, and grant them roles.
Nobody has a password unless one was given; the first admin is made here."""
    example = "sendit user add maria --role admin"
    more_examples = (
        "sendit user role maria --grant operator --project irb-41449",
        "sendit user password maria",
        "sendit user disable maria",
        "sendit user unlock maria",
        "sendit user list",
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what may be done."""
        actions = parser.add_subparsers(
            dest="action", required=True, metavar="add|role|password|disable|unlock|list"
        )
        adding = actions.add_parser("add", help="Make a user; asks for the password.")
        _name(adding)
        _role_option(adding, "--role", "What the user may do")
        _project(adding)
        _stdin(adding)
        role = actions.add_parser("role", help="Grant or revoke roles.")
        _name(role)
        _role_option(role, "--grant", "What the user may do from now on")
        _role_option(role, "--revoke", "What the user may do no more")
        _project(role)
        password = actions.add_parser("password", help="Set a new password; ends all sessions.")
        _name(password)
        _stdin(password)
        _name(actions.add_parser("disable", help="Let somebody in no more, nor their tokens."))
        _name(actions.add_parser("unlock", help="Forget wrong passwords; also undoes disable."))
        actions.add_parser("list", help="Show users and roles.")

    def act(self, configuration: Configuration, options: argparse.Namespace) -> int:
        """Do it."""
        self.prepare(configuration)
        if options.action == "list":
            self._list()
        elif options.action == "add":
            self._add(configuration, options)
        else:
            user = find_user(options.name)
            getattr(self, f"_{options.action}")(configuration, options, user)
        return 0

    def _add(self, configuration: Configuration, options: argparse.Namespace) -> None:
        if not _NAME.fullmatch(options.name) or options.name == LOCAL_USER:
            raise UsageError(
                "A name has letters, digits and . _ @ + - and begins with a letter or a digit; "
                f'"{LOCAL_USER}" is taken.'
            )
        if User.objects.filter(username__iexact=options.name).exists():
            raise UsageError(f'There is a user "{options.name}" already.')
        check_project(configuration, options.project)
        password = _ask(User(username=options.name), stdin=options.password_stdin)
        roles = sorted(set(options.role))
        with transaction.atomic():
            write_down(
                configuration, "user added", options.name, roles=roles, project=options.project
            )
            user = User.objects.create(username=options.name, password=make_password(password))
            for role in roles:
                Grant.objects.create(user=user, role=role, project=options.project)
        self.say(f"User {user.username} is made.", _told(user))

    def _role(self, configuration: Configuration, options: argparse.Namespace, user: User) -> None:
        if not options.grant and not options.revoke:
            raise UsageError("Say --grant ROLE or --revoke ROLE.")
        if is_from_a_provider(user):
            raise UsageError(
                f"{user.username} signs in through the provider, and has the roles of their "
                "groups; change [[oidc.roles]], or the groups at the provider."
            )
        check_project(configuration, options.project)
        with transaction.atomic():
            write_down(
                configuration,
                "roles changed",
                user.username,
                granted=sorted(set(options.grant)),
                revoked=sorted(set(options.revoke)),
                project=options.project,
            )
            for role in options.grant:
                Grant.objects.get_or_create(user=user, role=role, project=options.project)
            gone = Grant.objects.filter(user=user, role__in=options.revoke, project=options.project)
            if options.revoke and not gone.delete()[0]:
                raise UsageError(f"{user.username} has no such role there. {_told(user)}")
        self.say(_told(user))

    def _password(
        self, configuration: Configuration, options: argparse.Namespace, user: User
    ) -> None:
        if is_from_a_provider(user):
            raise UsageError(
                f"{user.username} signs in through the provider, and has no password here."
            )
        password = make_password(_ask(user, stdin=options.password_stdin))
        with transaction.atomic():
            write_down(configuration, "password changed", user.username)
            User.objects.filter(pk=user.pk).update(password=password)
        self.say(f"The password of {user.username} is changed; their sessions are over.")

    def _disable(self, configuration: Configuration, _: argparse.Namespace, user: User) -> None:
        with transaction.atomic():
            write_down(configuration, "user disabled", user.username)
            User.objects.filter(pk=user.pk).update(is_active=False)
        self.say(f"User {user.username} is let in no more.")

    def _unlock(self, configuration: Configuration, _: argparse.Namespace, user: User) -> None:
        with transaction.atomic():
            write_down(configuration, "user unlocked", user.username)
            free(username=user.username)
            User.objects.filter(pk=user.pk).update(is_active=True)
        self.say(f"User {user.username} may try again.")

    def _list(self) -> None:
        rows = [
            (user.username, "" if user.is_active else "disabled", _roles(user))
            for user in User.objects.prefetch_related("grants").order_by("username")
        ]
        if not rows:
            self.say('Nobody yet; "sendit user add NAME --role admin" makes the first.')
            return
        self.say(*table(("user", "", "roles"), rows))


def find_user(name: str) -> User:
    """Return a user.

    Raises
    ------
    sendit.errors.UsageError
        When there is none of that name.
    """
    user = User.objects.filter(username=name).first()
    if user is None:
        raise UsageError(f'There is no user "{name}"; "sendit user list" shows them.')
    return user


def check_project(configuration: Configuration, project: str) -> None:
    """Return if a project is configured, or none is named.

    Raises
    ------
    sendit.errors.UsageError
        When it is not.
    """
    if project and project not in configuration.projects:
        known = ", ".join(sorted(configuration.projects))
        raise UsageError(f'There is no project "{project}"; there are: {known}.')


def _name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="Under which the user signs in.")


def _role_option(parser: argparse.ArgumentParser, option: str, what: str) -> None:
    parser.add_argument(
        option,
        choices=_ROLES,
        action="append",
        default=[],
        help=f"{what}; can be given several times.",
    )


def _project(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--project", default="", metavar="P", help="Only for this project.")


def _stdin(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--password-stdin", action="store_true", help="Read the password from standard input."
    )


def _ask(user: User, *, stdin: bool) -> str:
    """Return a new password that is good enough; it is never an argument, which others can see."""
    if stdin:
        text = sys.stdin.readline().rstrip("\n")
    else:
        text = _typed(f"New password of {user.username}: ")
        if _typed("Once more: ") != text:
            raise UsageError("The two are not the same; nothing was changed.")
    try:
        validate_password(text, user)
    except ValidationError as error:
        raise UsageError(" ".join(error.messages)) from None
    return text


def _typed(prompt: str) -> str:
    try:
        return getpass.getpass(prompt)
    except EOFError:
        raise UsageError(
            "Nobody typed a password; nothing was changed. A program gives one with "
            "--password-stdin."
        ) from None


def _told(user: User) -> str:
    return f"Roles of {user.username}: {_roles(user)}."


def _roles(user: User) -> str:
    grants = sorted((grant.project, grant.role) for grant in user.grants.all())
    return ", ".join(f"{role} ({project or 'every project'})" for project, role in grants) or "none"
