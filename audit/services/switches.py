"""Switches: decisions that staff may take while everything runs."""

from enum import StrEnum

from django.db import transaction

from audit.actions import Action
from audit.errors import UnknownSwitch
from audit.models import Switch
from audit.services.entries import record
from kobatela.kernel import clock


class SwitchName(StrEnum):
    """The switches there are."""

    MACHINE_APPROVAL = "machine_approval"
    PAYOUTS_PAUSED = "payouts_paused"
    AI = "ai"
    OCR = "ocr"


# What holds until somebody decides otherwise. AI and OCR also need their setting.
DEFAULTS = {
    SwitchName.MACHINE_APPROVAL: True,
    SwitchName.PAYOUTS_PAUSED: False,
    SwitchName.AI: True,
    SwitchName.OCR: True,
}


def is_on(name: str) -> bool:
    """Whether a switch is on now. Raises UnknownSwitch."""
    known = _known(name)
    is_set = Switch.objects.filter(pk=known).values_list("is_on", flat=True).first()
    return DEFAULTS[known] if is_set is None else is_set


@transaction.atomic
def set_switch(*, name: str, is_on: bool, reason: str, actor: str) -> Switch:
    """Turn a switch on or off, audited. Setting it to what it is changes nothing.

    Raises UnknownSwitch.
    """
    known = _known(name)
    switch, _ = Switch.objects.select_for_update().get_or_create(
        pk=known,
        defaults={"is_on": DEFAULTS[known], "set_by": "", "updated_at": clock.now()},
    )
    if switch.is_on == is_on:
        return switch
    before = switch.is_on
    switch.is_on = is_on
    switch.reason = reason
    switch.set_by = actor
    switch.updated_at = clock.now()
    switch.save(update_fields=["is_on", "reason", "set_by", "updated_at"])
    record(
        actor=actor,
        action=Action.SWITCH_SET,
        subject=f"switch:{known}",
        body={"before": before, "after": is_on},
    )
    return switch


def _known(name: str) -> SwitchName:
    try:
        return SwitchName(name)
    except ValueError as error:
        raise UnknownSwitch(name=name) from error
