"""Findings are told in the reader's language."""

import re

import pytest

from kobatela.kernel.errors import DomainError, Kind
from kobatela.uploads.errors import FileRefused
from proofs import errors
from proofs.checks.documents import check_claims
from proofs.checks.findings import FindingCode
from proofs.errors import EvidenceRefused
from proofs.states import ReviewReason
from proofs.wording import _FRENCH, worded

FINDING = {
    "code": "INVOICE_TOTAL_UNREADABLE",
    "severity": "soft",
    "message": "The total of the document could not be read.",
    "hint": "Read it on the page.",
    "data": {},
}


def test_every_finding_has_french_words() -> None:
    reused = {ReviewReason.REUSED_FILE, ReviewReason.RESUBMITTED_FILE}
    assert set(_FRENCH) >= {*FindingCode, *reused}


@pytest.mark.parametrize("code", sorted(_FRENCH))
def test_french_words_hold_no_figures(code: str) -> None:
    assert all(_FRENCH[code])
    assert not re.search(r"[0-9]", "".join(_FRENCH[code]))


def test_french_is_for_those_who_read_it_and_changes_nothing_but_the_words() -> None:
    (told,) = worded([FINDING], "fr")

    assert told["message"] == "Le total du document n'a pas pu être lu."
    assert told["hint"].startswith("Lisez-le")
    assert {name: told[name] for name in ("code", "severity", "data")} == {
        name: FINDING[name] for name in ("code", "severity", "data")
    }
    assert worded([FINDING], "en") == [FINDING]
    assert worded([{**FINDING, "code": "SOMETHING_NEW"}], "fr")[0]["message"] == FINDING["message"]


def test_what_was_sent_along_and_says_nothing_is_told_as_that_in_both_languages() -> None:
    (claim,) = check_claims({"invoice_total_amount": "douze cents"})

    (told,) = worded([claim.to_json()], "fr")

    assert claim.message == "What was sent along as the total is no amount."
    assert told["message"] == "Ce qui a été envoyé comme total n'est pas un montant."


def refusals(base: type[FileRefused] = FileRefused) -> list[type[FileRefused]]:
    return [found for sub in base.__subclasses__() for found in (sub, *refusals(sub))]


@pytest.mark.parametrize("refusal", refusals())
def test_every_refusal_of_what_was_sent_has_words_of_its_own_in_both_languages(
    refusal: type[FileRefused],
) -> None:
    assert {"message", "hint", "french"} <= vars(refusal).keys()
    told = refusal()
    english = (told.message, told.details["hint"])

    told.tell_in("fr")

    french = (told.message, told.details["hint"])
    assert french == refusal.french
    assert all(english + french)
    assert not set(english) & set(french)


def test_whatever_is_refused_at_the_door_is_told_in_the_persons_language() -> None:
    """Photos by the words of their findings, all other refusals by their own."""
    door = {
        error
        for error in vars(errors).values()
        if isinstance(error, type)
        and issubclass(error, DomainError)
        and getattr(error, "kind", None) in {Kind.INVALID, Kind.TOO_LARGE, Kind.UNSUPPORTED_TYPE}
    }
    by_findings = {error for error in door if issubclass(error, EvidenceRefused)}
    assert {error.code for error in by_findings - {EvidenceRefused}} <= _FRENCH.keys()
    assert all(issubclass(error, FileRefused) for error in door - by_findings)
