"""`manage.py reread PROOF…`: read documents once more, for support."""

import argparse
import time
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from kobatela.kernel.errors import DomainError
from proofs.readers.errors import ReaderUnavailable
from proofs.services.reading import reread_document

_MAX_ID = 2**63 - 1
_BAR_WIDTH = 24


def _proof_id(text: str) -> int:
    plain = text.removeprefix("proof:")
    if not (plain.isascii() and plain.isdecimal()) or not 0 < int(plain) <= _MAX_ID:
        raise argparse.ArgumentTypeError(f"{text!r} is no proof")
    return int(plain)


class Command(BaseCommand):
    """Each proof is read by itself, so that one that fails leaves the others as they are."""

    help = (
        "Reads the documents of the proofs once more and stores what was read, its checks and"
        " findings beside the former ones. Works on decided proofs too; no decision is changed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The proofs, and who asks."""
        parser.add_argument("proofs", nargs="+", type=_proof_id, metavar="PROOF")
        parser.add_argument("--by", required=True, help="your staff account, for the audit trail")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read one after the other; fail at the end if one of them did."""
        actor = _actor(options["by"])
        proof_ids = list(dict.fromkeys(options["proofs"]))
        started = time.monotonic()
        failed = []
        for number, proof_id in enumerate(proof_ids):
            self._show(number, len(proof_ids), started, f"proof {proof_id}")
            try:
                said = _reread(proof_id, actor)
            except DomainError as refusal:
                failed.append(proof_id)
                said = refusal.message
            except (ReaderUnavailable, FileNotFoundError) as error:
                failed.append(proof_id)
                said = f"Reading does not work here ({type(error).__name__})."
            self._clear()
            self.stdout.write(f"proof {proof_id}: {said}")
        self._show(len(proof_ids), len(proof_ids), started, "done", ending="\n")
        if failed:
            raise CommandError(f"{len(failed)} of {len(proof_ids)} could not be read: {failed}")

    def _show(self, done: int, total: int, started: float, what: str, *, ending: str = "") -> None:
        filled = _BAR_WIDTH * done // total
        bar = "█" * filled + "·" * (_BAR_WIDTH - filled)
        passed = time.monotonic() - started
        if self.stderr.isatty():
            self._clear()
            self.stderr.write(f"[{bar}] {done}/{total}  {passed:.0f} s  {what}", ending=ending)
        elif ending:
            self.stderr.write(f"{done}/{total} in {passed:.0f} s")

    def _clear(self) -> None:
        if self.stderr.isatty():
            self.stderr.write("\r\x1b[2K", ending="")


def _actor(username: str) -> str:
    user = get_user_model().objects.filter(username=username, is_active=True, is_staff=True).first()
    if user is None:
        raise CommandError(f"There is no member of staff {username!r}.")
    return f"staff:{user.pk}"


def _reread(proof_id: int, actor: str) -> str:
    reading = reread_document(proof_id=proof_id, actor=actor)
    checks = [check["name"] for check in reading.checks if check["agrees"] is False]
    differs = f"; differs: {', '.join(checks)}" if checks else ""
    return f"{reading.status} by {reading.engine}, {len(reading.fields)} fields{differs}"
