"""What is broken on purpose is broken: a build that is whole after all would prove no judge."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from escrow import selectors as escrows
from kobatela.accounts.selectors import nobody_else
from kobatela.accounts.tests.factories import make_caller
from kobatela.kernel.caller import Scope
from payments import selectors as payments
from payments.tests.factories import make_payout
from tests.chaos.broken_builds import break_build

pytestmark = pytest.mark.django_db


def test_without_locks_nobody_waits_for_an_escrow_or_a_payment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    payment = make_payout()
    client = make_caller(Scope.SENDER, payment.escrow.client, acts_for=nobody_else)
    for module, name in (
        (escrows, "lock_escrow"),
        (escrows, "lock_visible_escrow"),
        (payments, "lock_payment"),
    ):
        # As it is, so that it is put back after.
        monkeypatch.setattr(module, name, getattr(module, name))
    asked = []
    for build in ("", "no_lock"):
        break_build(build)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            escrows.lock_escrow(payment.escrow_id)
            escrows.lock_visible_escrow(client, payment.escrow_id)
            payments.lock_payment(payment.pk)
        asked.append(
            sum(" FOR NO KEY UPDATE" in query["sql"] for query in queries.captured_queries)
        )
    assert asked == [3, 0]
