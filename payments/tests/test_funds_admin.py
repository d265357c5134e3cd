"""Money that was put in at a PSP, in the console."""

import pytest
from django.test import Client
from django.urls import reverse

from payments.models import FundsMove
from payments.tests.books import at_psp
from payments.tests.test_chargeback_admin import shown, signed_in
from payments.tests.test_funds import a_collector, at_collector, lay

pytestmark = [pytest.mark.console, pytest.mark.django_db]
PROPOSE = "payments_fundsmove_propose"
FORM = {
    "source": "operator",
    "target": "fake",
    "amount": "60.00",
    "currency": "EUR",
    "bank_ref": "VIR 7",
    "note": "Fees of November.",
}


def post(client: Client, name: str, *arguments: object, **data: str) -> str:
    """Send a command's form; the text of the page that follows."""
    path = reverse(f"admin:{name}", args=arguments)
    return str(client.post(path, data, follow=True).content.decode())


def test_two_people_book_what_one_of_them_proposes() -> None:
    first, second = signed_in(), signed_in("admin")

    assert "Another person must say the same." in post(first, PROPOSE, **FORM)
    move = FundsMove.objects.get()
    assert (move.status, move.bank_ref, move.amount_minor) == ("WAITING", "VIR7", 6_000)
    assert "Another person must say" in post(first, "payments_fundsmove_approve", move.pk)
    assert at_psp() == 0

    assert "It is booked" in post(second, "payments_fundsmove_approve", move.pk)

    assert at_psp() == 6_000
    text = shown(first, "payments_fundsmove_change", move.pk)
    assert "funds.moved" in text
    assert "operator:capital" in text


def test_what_is_refused_is_said_on_the_form() -> None:
    client = signed_in()
    assert "FUNDS_NOT_THERE" in post(client, PROPOSE, **(FORM | {"source": "psp:manual"}))
    assert "source: Money does not come" in post(client, PROPOSE, **(FORM | {"source": "me"}))
    assert "AMOUNT_PRECISION" in post(client, PROPOSE, **(FORM | {"amount": "1.234"}))
    assert not FundsMove.objects.exists()


def test_two_people_book_what_a_collector_is_given_back() -> None:
    user = a_collector(10_000)
    lay(9_000)
    first, second = signed_in(), signed_in("admin")
    form = FORM | {"source": "psp:fake", "target": f"collector:{user.pk}"}
    assert "target: There is no such PSP" in post(first, PROPOSE, **(FORM | {"target": "operator"}))

    assert "Another person must say the same." in post(first, PROPOSE, **form)
    move = FundsMove.objects.get()
    assert "It is booked" in post(second, "payments_fundsmove_approve", move.pk)

    assert (at_psp(), at_collector(user)) == (3_000, 16_000)
    assert f"collector:{user.pk}" in shown(first, "payments_fundsmove_change", move.pk)


def test_a_rejection_needs_a_note() -> None:
    client = signed_in()
    post(client, PROPOSE, **FORM)
    move = FundsMove.objects.get()
    post(client, "payments_fundsmove_reject", move.pk)
    assert FundsMove.objects.get().status == "WAITING"
    assert "It is rejected" in post(client, "payments_fundsmove_reject", move.pk, note="Not seen.")
    assert FundsMove.objects.get().status == "REJECTED"


def test_the_list_finds_a_move_by_its_reference() -> None:
    client = signed_in()
    post(client, PROPOSE, **FORM)
    link = f"/payments/fundsmove/{FundsMove.objects.get().pk}/change/"
    assert link in shown(client, "payments_fundsmove_changelist", query="?q=VIR7")
    assert link not in shown(client, "payments_fundsmove_changelist", query="?q=VIR8")
