"""What may leave: every field that a context is made of, classed as send, mask or drop.

One table. A test fails on a field of these sources that is not in it, and at run time such a field
is dropped. SEND is for numbers, dates and words from our own lists; a text that is not as short and
plain as those is masked all the same. MASK is for texts that people wrote. DROP never leaves.
"""

from collections.abc import Mapping
from enum import StrEnum

from proofs.advisor.known import Kind


class Handling(StrEnum):
    """What becomes of a field before anything is sent."""

    SEND = "send"
    MASK = "mask"
    DROP = "drop"


SEND, MASK, DROP = Handling.SEND, Handling.MASK, Handling.DROP

TABLE: Mapping[str, Mapping[str, Handling]] = {
    # --- Block 1: what was agreed -------------------------------------------------------------
    "mandate": {
        "milestone_number": SEND,
        "milestone_label": MASK,
        "proof_kind": SEND,
        "amount": SEND,
        "currency": SEND,
        "max_age_minutes": SEND,
        "geofence_radius_m": SEND,
        "requirements": SEND,  # its keys are classed below
    },
    "requirement": {
        "expected_amount": SEND,
        "amount_tolerance": SEND,
        "expected_currency": SEND,
        "expected_store_name": MASK,
        "expected_beneficiary": MASK,
        "expected_iban": MASK,
        "expected_iban_last4": DROP,
        "expected_date_min": SEND,
        "expected_date_max": SEND,
        "expected_invoice_number": MASK,
        "expected_country": SEND,
        "expected_city": MASK,
        "gps_required": SEND,
        "notes": MASK,
    },
    # --- Block 2: what the machine checked ----------------------------------------------------
    "backend": {
        "findings": SEND,  # classed below
        "checks": SEND,  # classed below
        "distance_m": SEND,
        "waits_for_person": SEND,
    },
    "finding": {
        "code": SEND,
        "severity": SEND,
        "message": MASK,
        "hint": DROP,
        "data": SEND,  # its keys are classed below
    },
    "finding_data": {
        "age_minutes": SEND,
        "age_minutes_min": SEND,
        "age_minutes_max": SEND,
        "max_age_minutes": SEND,
        "minutes_ahead": SEND,
        "tolerance_minutes": SEND,
        "difference_minutes": SEND,
        "positioning_error_m": SEND,
        "distance_m": SEND,
        "radius_m": SEND,
        "gps_state": SEND,
        "software": MASK,
        "width": SEND,
        "height": SEND,
        "shorter_side_px_min": SEND,
        "has_structure": SEND,
        "matches": DROP,
        "field": SEND,
        "expected": DROP,
        "actual": DROP,
        "claimed": DROP,
        "difference": SEND,
        "tolerance": SEND,
        "retry": SEND,
        "attempts": SEND,
        "pages": SEND,
        "pages_total": SEND,
        "pages_read": SEND,
        "threshold_bits": DROP,
    },
    "check": {
        "name": SEND,
        "expected": DROP,
        "actual": DROP,
        "agrees": SEND,
    },
    # --- Block 3: what was sent, and what was read from it ------------------------------------
    "evidence": {
        "proof_type": SEND,
        "media_type": SEND,
        "received_at": SEND,
        "image": SEND,  # classed below
        "reading": SEND,  # classed below
        "picture": SEND,  # re-encoded, small, without metadata; of photos only
    },
    "image": {
        "media_type": SEND,
        "width": SEND,
        "height": SEND,
        "orientation": DROP,
        "make": MASK,
        "model": MASK,
        "software": MASK,
        "taken_at_local": SEND,
        "utc_offset": SEND,
        "gps_time_utc": SEND,
        "latitude": DROP,
        "longitude": DROP,
        "gps_state": SEND,
        "positioning_error_m": SEND,
        "perceptual_hash": DROP,
    },
    "reading": {
        "media_type": SEND,
        "pages_total": SEND,
        "pages_read": SEND,
        "engine": SEND,
        "engine_version": DROP,
        "status": SEND,
        "fields": SEND,  # classed below
        "xml_fields": SEND,  # likewise
        "text": MASK,
        "notes": SEND,  # classed below
    },
    "field": {
        "name": SEND,
        "value": SEND,  # by its name, below
        "raw": DROP,
        "confidence": SEND,
        "page": SEND,
        "box": DROP,
        "source": SEND,
    },
    "field_value": {
        "total": SEND,
        "net": SEND,
        "tax": SEND,
        "payable": SEND,
        "currency": SEND,
        "date": SEND,
        "due_date": SEND,
        "number": MASK,
        "supplier": MASK,
        "iban": MASK,
        "vat_id": MASK,
        "siret": MASK,
        "type_code": SEND,
    },
    "note": {
        "code": SEND,
        "message": DROP,
        "hint": DROP,
        "retry": SEND,
        "pages": SEND,
    },
}

# Masked fields whose whole value is personal, whatever it looks like.
WHOLLY_PERSONAL: Mapping[tuple[str, str], Kind] = {
    ("requirement", "expected_store_name"): Kind.NAME,
    ("requirement", "expected_beneficiary"): Kind.NAME,
    ("requirement", "expected_iban"): Kind.IBAN,
    ("field_value", "supplier"): Kind.NAME,
    ("field_value", "iban"): Kind.IBAN,
    ("field_value", "vat_id"): Kind.ID,
    ("field_value", "siret"): Kind.ID,
}
