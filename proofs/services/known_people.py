"""The people and accounts that an escrow knows, wherever it has them from."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from escrow.hooks import outsiders_of
from escrow.selectors import requirements_of
from kobatela.accounts.selectors import users_by_id
from payments.recipients import recipients_of
from payments.selectors import account_texts_of
from proofs.advisor.known import KnownValues
from proofs.advisor.prompt import VOCABULARY
from proofs.masking import Personal, personal_values
from proofs.models import Proof
from proofs.selectors import said_with_proofs

if TYPE_CHECKING:
    from kobatela.accounts.models import User

# A text is looked through for each of them, so there is an end to how many they may be.
MAX_KNOWN = 5_000
MAX_PROOFS = 1_000
MAX_MILESTONES = 1_000


class TooManyKnown(Exception):
    """An escrow knows more people than can be looked for, so nothing of it may leave."""


def known_values(proof: Proof) -> KnownValues:
    """The names, e-mails, phones and accounts that the escrow of a proof knows.

    They are those of its parties, of whoever is paid from it, and of whomever its terms and the
    senders of its proofs name. Raises TooManyKnown where they are too many to be looked for.
    """
    proofs = said_with_proofs(proof.escrow_id, limit=MAX_PROOFS + 1)
    _refuse_more_than(MAX_PROOFS, proofs)
    outsiders = outsiders_of(proof.escrow_id, MAX_KNOWN + 1)
    recipients = recipients_of(proof.escrow_id, limit=MAX_KNOWN + 1)
    senders = {user_id for _, *two, _ in proofs for user_id in two if user_id is not None}
    people = _people(proof, senders | outsiders.user_ids | recipients.user_ids)
    accounts = account_texts_of(
        [person.pk for person in people], parties=outsiders.parties | recipients.parties
    )
    named = _named(proof, [metadata for metadata, *_ in proofs])
    known = KnownValues(
        names=_filled(
            [person.username for person in people],
            [account.holder for account in accounts],
            outsiders.names,
            named[Personal.NAME],
        ),
        emails=_filled([person.email for person in people], named[Personal.EMAIL]),
        phones=_filled(
            [person.phone for person in people],
            [account.number for account in accounts if account.number.startswith("+")],
            named[Personal.PHONE],
        ),
        accounts=_filled(
            [account.number for account in accounts if not account.number.startswith("+")],
            # As it is mended, and as it is printed.
            [iban.get(name) for *_, iban in proofs if iban for name in ("value", "raw")],
            named[Personal.ACCOUNT],
        ),
        vocabulary=VOCABULARY,
    )
    _refuse_more_than(MAX_KNOWN, [*known.names, *known.emails, *known.phones, *known.accounts])
    return known


def _people(proof: Proof, others: Collection[int]) -> list["User"]:
    """Both sides, who manages them, who sent proofs, and who is paid."""
    sides = [proof.client, proof.provider, proof.submitted_by, proof.submitted_for]
    found = {person.pk: person for person in sides if person is not None}
    managers = [person.managed_by for person in found.values()]
    found |= {manager.pk: manager for manager in managers if manager is not None}
    return [*found.values(), *users_by_id(set(others) - found.keys())]


def _named(proof: Proof, claimed: Collection[Any]) -> dict[Personal, set[str]]:
    """What the terms, of the escrow and of all its milestones, and the senders of proofs name."""
    wanted = requirements_of(proof.escrow_id, limit=MAX_MILESTONES + 1)
    _refuse_more_than(MAX_MILESTONES, wanted)
    said = [*wanted, proof.escrow.release_conditions, *claimed]
    found: dict[Personal, set[str]] = {kind: set() for kind in Personal}
    for one in said:
        for kind, values in personal_values(one).items():
            found[kind] |= values
    return found


def _refuse_more_than(limit: int, values: Collection[Any]) -> None:
    if len(values) > limit:
        raise TooManyKnown


def _filled(*groups: Collection[Any]) -> frozenset[str]:
    return frozenset(str(value).strip() for group in groups for value in group if value)
