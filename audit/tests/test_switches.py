"""Switches: a default, a decision, an audit entry."""

import pytest

from audit.errors import UnknownSwitch
from audit.models import AuditEntry, Switch
from audit.services.switches import DEFAULTS, SwitchName, is_on, set_switch


@pytest.mark.django_db
def test_every_switch_has_a_row_that_says_what_the_code_says() -> None:
    assert dict(Switch.objects.values_list("name", "is_on")) == DEFAULTS


@pytest.mark.django_db
def test_a_switch_without_a_row_stands_at_its_default() -> None:
    Switch.objects.all().delete()

    assert {name: is_on(name) for name in SwitchName} == DEFAULTS
    assert is_on("machine_approval")
    assert not is_on("payouts_paused")


@pytest.mark.django_db
def test_a_decision_holds_at_once_and_is_audited() -> None:
    set_switch(name="payouts_paused", is_on=True, reason="The PSP is down.", actor="staff:3")

    assert is_on("payouts_paused")
    switch = Switch.objects.get(pk="payouts_paused")
    assert (switch.reason, switch.set_by) == ("The PSP is down.", "staff:3")
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.subject, entry.body) == (
        "staff:3",
        "switch.set",
        "switch:payouts_paused",
        '{"after":true,"before":false}',
    )
    assert is_on("machine_approval")


@pytest.mark.django_db
def test_setting_a_switch_to_what_it_is_changes_nothing() -> None:
    before = Switch.objects.get(pk="ocr")

    set_switch(name="ocr", is_on=True, reason="Again.", actor="staff:3")

    assert Switch.objects.get(pk="ocr").set_by == before.set_by
    assert not AuditEntry.objects.exists()


@pytest.mark.django_db
def test_an_unknown_switch_is_refused() -> None:
    with pytest.raises(UnknownSwitch):
        is_on("warp_drive")
    with pytest.raises(UnknownSwitch):
        set_switch(name="warp_drive", is_on=True, reason="", actor="staff:3")
