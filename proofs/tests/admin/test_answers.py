"""The console's page of what came because more was asked for, and of what it took the place of."""

import pytest
from django.test import Client
from pytest_django.asserts import assertContains, assertNotContains

from kobatela.accounts.tests.factories import make_staff
from proofs.tests.factories import pending_proof, photo, site_escrow, submit

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.console,
    pytest.mark.usefixtures("at_noon"),
]
QUEUE = "/admin/proofs/proof/"


def test_the_page_shows_what_was_asked_and_leads_to_the_earlier_proof_and_its_file(
    client: Client,
) -> None:
    client.force_login(make_staff("support"))
    escrow = site_escrow()
    asked = pending_proof(escrow)
    note = "Send the north wall."
    client.post(f"{QUEUE}{asked.pk}/verdict/", {"verdict": "ask", "note": note})
    answer = submit(escrow, photo())

    shown = client.get(f"{QUEUE}{answer.pk}/change/")

    assertContains(shown, "more was asked for")
    assertContains(shown, f"“{note}”")
    assertContains(shown, f'href="{QUEUE}{asked.pk}/change/"')
    assertContains(shown, f'href="{QUEUE}{asked.pk}/original/" download')
    assertContains(shown, 'value="approve"')

    earlier = client.get(f"{QUEUE}{asked.pk}/change/")

    assertContains(earlier, 'class="console-tag ">replaced<')
    assertContains(earlier, f'href="{QUEUE}{answer.pk}/change/">Proof {answer.pk}</a>')
    assertNotContains(earlier, 'value="approve"')
    waiting = client.get(QUEUE).context["cl"].result_list
    assert [proof.pk for proof in waiting] == [answer.pk]
