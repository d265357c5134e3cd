"""Findings are told in the reader's language."""

import re

import pytest

from proofs.checks.findings import FindingCode
from proofs.states import ReviewReason
from proofs.wording import _FRENCH, worded

FINDING = {
    "code": "INVOICE_TOTAL_UNREADABLE",
    "severity": "soft",
    "message": "The total of the document could not be read.",
    "hint": "Read it on the page.",
    "data": {"claimed": "x"},
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
