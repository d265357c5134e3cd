"""`manage.py bootstrap_credentials`: a way in to an installation on one's own machine."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from kobatela.accounts.models import ApiKey, User
from kobatela.accounts.services.keys import issue_key, revoke_key
from kobatela.accounts.services.users import create_user
from kobatela.kernel import clock
from kobatela.kernel.admin import ADMIN_GROUP, SUPPORT_GROUP
from kobatela.kernel.caller import Caller, Scope

_ACTOR = "system:bootstrap"
# The user whom each key belongs to. Staff keys are bound too: four eyes count users, not keys.
_USERNAMES = {
    Scope.ADMIN: "admin",
    Scope.SUPPORT: "support",
    Scope.SENDER: "sender",
    Scope.PROVIDER: "provider",
}


class Command(BaseCommand):
    """Fresh keys and a fresh password at each run; those of the run before stop working."""

    help = "Makes an admin, a sender, a provider and their keys, and writes var/credentials.json."

    def add_arguments(self, parser: CommandParser) -> None:
        """Addresses to write down for whoever reads the file."""
        parser.add_argument("--base-url", default="http://127.0.0.1:8000")
        parser.add_argument("--psp-url", default="http://127.0.0.1:8100")
        parser.add_argument("--path", type=Path, help="Where to write, instead of the usual file.")
        parser.add_argument("--webhook-secret", default=os.environ.get("PSP_WEBHOOK_SECRET", ""))

    def handle(self, *args: Any, **options: Any) -> None:
        """Refused in production: there, an admin makes keys for people who exist."""
        if settings.KOBATELA_ENV == "production":
            raise CommandError("Credentials are made for development only.")
        with transaction.atomic():
            users = {scope: _ensure_user(name) for scope, name in _USERNAMES.items()}
            password = _open_console(users[Scope.ADMIN], users[Scope.SUPPORT])
            _revoke_earlier_keys()
            keys = {scope: _issue(scope, user) for scope, user in users.items()}
        path = options["path"] or settings.VAR_DIR / "credentials.json"
        _write_closed(
            path,
            {
                "base_url": options["base_url"],
                "admin": {
                    "username": users[Scope.ADMIN].username,
                    "password": password,
                    "totp_secret": None,
                },
                "keys": keys,
                "users": {
                    "sender": users[Scope.SENDER].pk,
                    "provider": users[Scope.PROVIDER].pk,
                },
                "psp": {
                    "base_url": options["psp_url"],
                    "webhook_secret": options["webhook_secret"],
                },
            },
        )
        self.stdout.write(f"Credentials are in {path}.")


def _caller() -> Caller:
    return Caller(scope=Scope.ADMIN, actor=_ACTOR)


def _ensure_user(username: str) -> User:
    found = User.objects.filter(username=username).first()
    if found is not None:
        return found
    return create_user(caller=_caller(), username=username, email=f"{username}@example.org")


def _open_console(admin: User, support: User) -> str:
    """Let the two in to the console; return the admin's new password."""
    password = secrets.token_urlsafe(18)
    admin.is_superuser = True
    admin.set_password(password)
    for user, group in ((admin, ADMIN_GROUP), (support, SUPPORT_GROUP)):
        user.is_staff = True
        user.updated_at = clock.now()
        user.save()
        user.groups.add(Group.objects.get(name=group))
    return password


def _revoke_earlier_keys() -> None:
    earlier = ApiKey.objects.filter(created_by=_ACTOR, revoked_at=None).order_by("pk")
    for key_id in earlier.values_list("pk", flat=True):
        revoke_key(caller=_caller(), key_id=key_id)


def _issue(scope: Scope, user: User) -> str:
    name = f"this machine, {scope.value}"
    return issue_key(caller=_caller(), name=name, scope=scope, user_id=user.pk).secret


def _write_closed(path: Path, content: dict[str, Any]) -> None:
    """Write the file so that nobody but its owner can read it at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(json.dumps(content, indent=2) + "\n")
    scratch.replace(path)
