"""Four eyes: two different people, the same figures, and nothing hidden by splitting."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from audit.selectors import entries, stream_gaps
from audit.tests.together import run_together
from kobatela.accounts.errors import ApprovalNeedsUser
from kobatela.accounts.models import Approval, ApprovalStatus, User
from kobatela.accounts.services.approvals import (
    ApprovalState,
    approval_state,
    approval_states,
    require_approval,
    withdraw,
)
from kobatela.accounts.tests.factories import make_caller, make_staff_caller, make_user
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import InvalidState
from kobatela.kernel.money import Money

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
MIN = 1_000_000
ALONE = ApprovalState(given=1, needed=1, granted=True)
FIRST = ApprovalState(given=1, needed=2, granted=False)
BOTH = ApprovalState(given=2, needed=2, granted=True)


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Time stands still; two people above 10,000.00 EUR and 100 XOF."""
    monkeypatch.setattr(settings, "KOBATELA_FOUR_EYES_MIN_MINOR", {"EUR": MIN, "XOF": 100})
    with clock.frozen(AT):
        yield


def _ask(
    caller: Caller,
    amount_minor: int = MIN + 1,
    currency: str = "EUR",
    subject: str = "proof:1",
    escrow_id: int = 1,
    command: str = "approve_proof",
    **figures: Any,
) -> ApprovalState:
    return require_approval(
        caller=caller,
        command=command,
        subject=subject,
        escrow_id=escrow_id,
        money=Money(amount_minor, currency),
        figures=figures,
    )


def _staff() -> Caller:
    return make_staff_caller("support")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("amount_minor", "currency", "state"),
    [
        (MIN - 1, "EUR", ALONE),
        (MIN, "EUR", ALONE),
        (MIN + 1, "EUR", FIRST),
        (100, "XOF", ALONE),
        (101, "XOF", FIRST),
        (1, "XAF", FIRST),
    ],
)
def test_two_people_are_needed_above_the_figure_and_always_without_one(
    amount_minor: int, currency: str, state: ApprovalState
) -> None:
    assert _ask(_staff(), amount_minor, currency) == state


@pytest.mark.django_db
def test_a_second_person_who_asks_for_the_same_grants_it() -> None:
    one, two = _staff(), _staff()

    assert _ask(one, note_free="x") == FIRST
    clock.advance(timedelta(days=2))
    assert _ask(two, note_free="x") == BOTH

    row = Approval.objects.get()
    assert (row.status, row.first_user_id, row.second_user_id) == (
        "GRANTED",
        one.user_id,
        two.user_id,
    )
    assert (row.created_at, row.granted_at) == (AT, AT + timedelta(days=2))
    told = [(entry.action, entry.actor) for entry in entries(subject="escrow:1").order_by("pk")]
    assert told == [("approval.given", one.actor), ("approval.granted", two.actor)]
    assert stream_gaps() == []


@pytest.mark.django_db
def test_the_same_person_again_changes_nothing() -> None:
    one = _staff()
    _ask(one)
    before = list(Approval.objects.values())
    clock.advance(timedelta(minutes=5))

    assert [_ask(one), _ask(one)] == [FIRST, FIRST]

    assert list(Approval.objects.values()) == before
    assert entries(subject="escrow:1").count() == 1


@pytest.mark.django_db
def test_two_keys_of_one_user_are_one_person() -> None:
    user = make_user()

    assert _ask(make_caller("support", user)) == FIRST
    assert _ask(make_caller("admin", user)) == FIRST
    assert _ask(make_caller("admin", make_user())) == BOTH


@pytest.mark.django_db
@pytest.mark.parametrize(
    "other",
    [
        {"amount_minor": MIN + 2},
        {"release": 1},
        {"amount_minor": MIN + 1, "release": "0"},
    ],
)
def test_other_figures_replace_the_first_and_count_as_one(other: dict[str, Any]) -> None:
    one, two = _staff(), _staff()
    _ask(one, release=0)

    assert _ask(two, **other) == FIRST

    replaced, pending = Approval.objects.order_by("pk")
    assert (replaced.status, pending.status) == ("REPLACED", "PENDING")
    assert pending.first_user_id == two.user_id
    assert _ask(one, release=0) == FIRST
    assert _ask(two, release=0) == BOTH
    assert entries(action="approval.replaced").count() == 2


@pytest.mark.django_db
def test_the_party_stood_in_for_is_part_of_what_is_asked() -> None:
    party = make_user()
    one, two = make_user(), make_user()

    assert _ask(make_caller("admin", one, on_behalf_of=party.pk)) == FIRST
    assert _ask(make_caller("admin", two)) == FIRST
    assert _ask(make_caller("admin", one, on_behalf_of=party.pk)) == FIRST
    assert _ask(make_caller("admin", two, on_behalf_of=party.pk)) == BOTH


@pytest.mark.django_db
def test_who_is_no_longer_staff_is_not_the_first_of_two() -> None:
    one, two = _staff(), _staff()
    _ask(one)
    User.objects.filter(first_approvals__first_actor=one.actor).update(is_staff=False)

    assert _ask(two) == FIRST

    assert sorted(Approval.objects.values_list("status", "first_user_id")) == [
        ("PENDING", two.user_id),
        ("REPLACED", one.user_id),
    ]


@pytest.mark.django_db
def test_smaller_figures_may_need_one_person_only() -> None:
    one = _staff()
    _ask(one, MIN + 1)

    assert _ask(one, MIN) == ALONE

    assert sorted(Approval.objects.values_list("status", "needed")) == [
        ("GRANTED", 1),
        ("REPLACED", 2),
    ]


@pytest.mark.django_db
def test_an_unbound_key_cannot_approve_what_two_people_must() -> None:
    unbound = make_caller("support")

    assert _ask(unbound, MIN, subject="proof:1") == ALONE
    with pytest.raises(ApprovalNeedsUser):
        _ask(unbound, 1, subject="proof:2")
    _ask(_staff(), subject="proof:3")
    with pytest.raises(ApprovalNeedsUser):
        _ask(unbound, subject="proof:3")

    assert sorted(Approval.objects.values_list("subject", "status")) == [
        ("proof:1", "GRANTED"),
        ("proof:3", "PENDING"),
    ]


@pytest.mark.django_db
def test_splitting_does_not_help() -> None:
    one = _staff()

    states = [_ask(one, MIN // 2, subject=f"proof:{number}") for number in range(3)]

    assert states == [ALONE, ALONE, FIRST]


@pytest.mark.django_db
def test_splitting_over_people_and_commands_does_not_help() -> None:
    assert _ask(_staff(), MIN // 2, command="approve_proof") == ALONE
    assert _ask(_staff(), MIN // 2, command="refund", subject="escrow:1") == ALONE
    assert _ask(_staff(), 1, command="resolve", subject="escrow:1") == FIRST


@pytest.mark.django_db
def test_what_is_not_granted_does_not_count() -> None:
    one = _staff()
    _ask(one, MIN + 1, subject="proof:1")

    assert _ask(one, MIN, subject="proof:2") == ALONE


@pytest.mark.django_db
def test_another_escrow_counts_for_itself() -> None:
    one = _staff()
    _ask(one, MIN, escrow_id=1)

    assert _ask(one, MIN, escrow_id=2, subject="proof:2") == ALONE


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("after", "state"),
    [
        (timedelta(hours=24) - timedelta(microseconds=1), FIRST),
        (timedelta(hours=24), ALONE),
    ],
)
def test_twenty_four_hours_count_together(after: timedelta, state: ApprovalState) -> None:
    one = _staff()
    _ask(one, MIN, subject="proof:1")
    clock.advance(after)

    assert _ask(one, 1, subject="proof:2") == state


@pytest.mark.django_db(transaction=True)
def test_what_was_rolled_back_never_counted() -> None:
    one = _staff()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        _ask(one, MIN, subject="proof:1")
        raise ZeroDivisionError

    assert _ask(one, MIN, subject="proof:2") == ALONE


@pytest.mark.django_db
def test_who_was_deactivated_approves_nothing_any_more() -> None:
    one, two, three = _staff(), _staff(), _staff()
    _ask(one)
    User.objects.filter(first_approvals__isnull=False).update(is_active=False)

    assert _ask(two) == FIRST
    assert _ask(three) == BOTH
    assert Approval.objects.get(status="GRANTED").first_user_id == two.user_id


@pytest.mark.django_db
def test_a_rejection_withdraws_the_first_approval() -> None:
    one, two = _staff(), _staff()
    _ask(one)

    taken_back = withdraw(actor=two.actor, subject="proof:1", note="The invoice is forged.")

    assert taken_back == 1
    row = Approval.objects.get()
    assert (row.status, row.note) == ("WITHDRAWN", "The invoice is forged.")
    assert entries(action="approval.withdrawn").get().actor == two.actor
    assert _ask(two) == FIRST
    assert withdraw(actor=two.actor, subject="proof:2", note="") == 0


@pytest.mark.django_db
def test_a_granted_approval_is_not_withdrawn() -> None:
    _ask(_staff())
    _ask(_staff())

    assert withdraw(actor="staff:1", subject="proof:1", note="late") == 0
    assert Approval.objects.get().status == "GRANTED"


@pytest.mark.django_db
def test_one_command_can_be_withdrawn_alone() -> None:
    one = _staff()
    _ask(one, command="resolve", subject="escrow:1")
    _ask(one, command="refund", subject="escrow:1")

    assert withdraw(actor="staff:1", subject="escrow:1", command="refund", note="no") == 1

    assert Approval.objects.get(status="PENDING").command == "resolve"


@pytest.mark.django_db
def test_the_state_is_told_where_two_are_needed() -> None:
    one, two = _staff(), _staff()
    _ask(one, 1, subject="proof:1")
    _ask(one, subject="proof:2", escrow_id=2)
    _ask(one, subject="proof:3", escrow_id=3)
    _ask(two, subject="proof:3", escrow_id=3)

    assert approval_state("proof:1", "approve_proof") is None
    assert approval_state("proof:2", "approve_proof") == FIRST
    assert approval_state("proof:2", "other") is None
    subjects = ["proof:1", "proof:2", "proof:3", "proof:4"]
    assert approval_states(subjects, "approve_proof") == {"proof:2": FIRST, "proof:3": BOTH}


@pytest.mark.parametrize("current", ApprovalStatus)
@pytest.mark.parametrize("target", ApprovalStatus)
def test_an_approval_moves_only_where_the_table_says(
    current: ApprovalStatus, target: ApprovalStatus
) -> None:
    row = Approval(pk=1, status=current)
    ends = {ApprovalStatus.GRANTED, ApprovalStatus.REPLACED, ApprovalStatus.WITHDRAWN}

    if current is ApprovalStatus.PENDING and target in ends:
        row.transition_to(target)
        assert row.status == target
    else:
        with pytest.raises(InvalidState):
            row.transition_to(target)
        assert row.status == current


@pytest.mark.django_db
@pytest.mark.parametrize("second", ["first", None])
def test_the_database_itself_wants_two_people(second: str | None) -> None:
    one = _staff()
    _ask(one)
    row = Approval.objects.get()

    with pytest.raises(DatabaseError), transaction.atomic():
        Approval.objects.filter(pk=row.pk).update(
            status="GRANTED", second_user=row.first_user if second else None
        )


@pytest.mark.django_db
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    acts=st.lists(
        st.tuples(
            st.integers(0, 2),
            st.integers(1, 3),
            st.sampled_from([1, MIN // 2, MIN, MIN + 1]),
            st.integers(0, 13),
        ),
        max_size=14,
    )
)
def test_more_than_the_figure_never_leaves_in_a_day_without_two_people(
    acts: list[tuple[int, int, int, int]],
) -> None:
    """Whoever asks whatever when: what one person alone released in 24 hours stays within."""
    people = [_staff() for _ in range(3)]
    escrow_id = Approval.objects.count() + 1000
    released: list[tuple[datetime, int]] = []
    with clock.frozen(AT):
        for person, subject, amount_minor, hours in acts:
            clock.advance(timedelta(hours=hours))
            now = clock.now()
            state = _ask(
                people[person],
                amount_minor,
                escrow_id=escrow_id,
                # A proof belongs to one escrow; what an earlier example left waiting is not ours.
                subject=f"proof:{escrow_id * 10 + subject}",
            )
            assert state in (ALONE, FIRST, BOTH)
            of_the_day = sum(amount for at, amount in released if now - at < timedelta(hours=24))
            if state == ALONE:
                assert amount_minor + of_the_day <= MIN
            if state != FIRST:
                released.append((now, amount_minor))
    for row in Approval.objects.filter(escrow_id=escrow_id, status="GRANTED", needed=2):
        assert row.first_user_id != row.second_user_id


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_two_people_at_once_count_once_each() -> None:
    for number in range(10):
        callers = [_staff(), _staff()]
        ask = partial(_ask, subject=f"proof:{number}", escrow_id=number)

        states = run_together([partial(ask, caller) for caller in callers])

        assert sorted(state.given for state in states) == [1, 2]
        row = Approval.objects.get(subject=f"proof:{number}")
        assert {row.first_user_id, row.second_user_id} == {c.user_id for c in callers}


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_one_person_sixteen_times_at_once_is_one_approval() -> None:
    caller = _staff()

    states = run_together([partial(_ask, caller)] * 16)

    assert states == [FIRST] * 16
    assert Approval.objects.get().status == "PENDING"
    assert entries(action="approval.given").count() == 1


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_split_over_sixteen_at_once_the_sum_still_counts() -> None:
    caller = _staff()
    asks = [partial(_ask, caller, MIN // 4, subject=f"proof:{number}") for number in range(16)]

    states = run_together(asks)

    assert states.count(ALONE) == 4
    assert states.count(FIRST) == 12
