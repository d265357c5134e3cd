"""The check of the books finds a figure that somebody else keeps and that is wrong."""

import io
from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command

from audit.models import Alert
from escrow.models import Escrow
from escrow.tests.factories import make_escrow
from payments.ledger import chart
from payments.ledger import selectors as ledger
from payments.ledger.rules import register_rule, registered_rules
from payments.ledger.tests.helpers import give
from payments.models import Payment
from payments.services.ledger_checks import check_ledger
from payments.tests.conftest import psp as psp  # noqa: PLC0414
from payments.tests.factories import make_payout, make_sent
from payments.tests.stub_psp import StubPsp

pytestmark = pytest.mark.django_db


def said() -> str:
    out = io.StringIO()
    try:
        call_command("ledger_check", stdout=out)
    except CommandError as error:
        out.write(str(error))
    return out.getvalue()


def test_escrows_and_payments_agree_with_their_books(psp: StubPsp) -> None:
    make_escrow("FUNDED"), make_escrow("REFUNDED"), make_escrow("DRAFT")
    make_payout(), make_sent(psp)
    assert ledger.check() == []
    assert f"{len(registered_rules())} figures kept beside them agree" in said()


def funded_too_much(escrow: Escrow) -> None:
    """A total that nobody paid in."""
    total_minor = escrow.amount_total_minor + 1
    Escrow.objects.filter(pk=escrow.pk).update(
        amount_total_minor=total_minor, funded_minor=total_minor
    )


def released_in_silence(escrow: Escrow) -> None:
    """A release that was never booked."""
    Escrow.objects.filter(pk=escrow.pk).update(released_minor=1)


def refunded_in_silence(escrow: Escrow) -> None:
    """A refund that was never booked."""
    Escrow.objects.filter(pk=escrow.pk).update(refunded_minor=1)


def paid_in_besides(escrow: Escrow) -> None:
    """Money that no total counts."""
    give(escrow.pk, 1)


@pytest.mark.parametrize(
    "wrong", [funded_too_much, released_in_silence, refunded_in_silence, paid_in_besides]
)
def test_an_escrow_whose_totals_are_not_what_it_holds_is_found(
    wrong: Callable[[Escrow], None],
) -> None:
    make_escrow("FUNDED")
    escrow = make_escrow("FUNDED")
    wrong(escrow)

    (problem,) = ledger.check()

    assert problem.subject == chart.escrow_held(escrow.pk).code
    assert problem.expected_minor != problem.actual_minor
    assert check_ledger() == {"problems": 1}
    alert = Alert.objects.get(type="LEDGER_CHECK_FAILED")
    assert (alert.subject, alert.severity) == ("ledger:EUR", "critical")
    assert "EUR WRONG" in said()


def test_money_held_for_no_escrow_is_found() -> None:
    give(987_654, 5)
    (problem,) = ledger.check()
    assert (problem.subject, problem.expected_minor, problem.actual_minor) == (
        "escrow:987654:held",
        0,
        5,
    )


@pytest.mark.parametrize(
    ("change", "expected_minor", "actual_minor"),
    [
        ({"status": "SETTLED"}, 0, 10_000),
        ({"amount_minor": 9_999}, 9_999, 10_000),
    ],
)
def test_money_in_transit_that_is_not_a_payments_is_found(
    psp: StubPsp, change: dict[str, object], expected_minor: int, actual_minor: int
) -> None:
    payment = make_sent(psp)
    make_sent(psp)
    Payment.objects.filter(pk=payment.pk).update(settled_at=payment.created_at, **change)

    (problem,) = ledger.check()

    assert problem.subject == f"{payment.reference}:in_transit"
    assert (problem.expected_minor, problem.actual_minor) == (expected_minor, actual_minor)


def test_a_payment_on_its_way_without_its_money_is_found(psp: StubPsp) -> None:
    payment = make_payout()
    Payment.objects.filter(pk=payment.pk).update(status="SENT", psp_key="koba_1")
    (problem,) = ledger.check()
    assert (problem.expected_minor, problem.actual_minor) == (10_000, 0)


def test_a_rule_is_registered_once() -> None:
    what = next(iter(registered_rules()))
    with pytest.raises(RuntimeError):
        register_rule(what, "SELECT 1")
