"""Everything that the proof page shows, gathered once."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.urls import reverse
from geographiclib.geodesic import Geodesic

from audit.actions import Action
from audit.selectors import entries
from kobatela.accounts.selectors import people_behind
from kobatela.accounts.services import approvals
from kobatela.accounts.services.approvals import ApprovalState, WordGiven
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import DomainError
from kobatela.kernel.money import Money, format_minor
from proofs.admin import advice, document, reread
from proofs.admin.advice import AdviceShown
from proofs.admin.document import DocumentShown
from proofs.admin.reread import RereadShown
from proofs.admin.words import decision_tag, figure, likeness, span, tone_of, words
from proofs.checks.geofence import Geofence, usable_position
from proofs.models import Proof
from proofs.selectors import (
    is_processing,
    next_in_queue,
    proofs_of_milestone,
    replacement_of,
)
from proofs.services.decisions import APPROVE_COMMAND, check_may_decide, failed_checks
from proofs.services.evidence import fence_of
from proofs.states import Derivative, Processing, ProofStatus, ProofType

_HISTORY_ENTRIES = 30
_EARLIER_PROOFS = 10
_SKETCH_PX = 200
# Shown otherwise, or said by the finding's own words.
_NOT_FIGURES = frozenset({"matches", "field"})
_SEVERITIES = ("hard", "soft", "info")


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of facts; tone colours what speaks for or against the proof."""

    name: str
    value: str
    tone: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Sketch:
    """The fence and the photo's position, drawn to scale in a square; north is up."""

    size_px: int
    radius_px: float
    x_px: float
    y_px: float
    error_px: float | None
    is_inside: bool
    caption: str


@dataclass(frozen=True, slots=True)
class Page:
    """The whole page."""

    proof: Proof
    state: tuple[str, str]
    waited: str
    amount: str
    picture: str
    document: DocumentShown | None
    reread: RereadShown
    needs_note: Sequence[str]
    facts: Sequence[Fact]
    sketch: Sketch | None
    findings: Sequence[dict[str, Any]]
    reasons: Sequence[tuple[str, str]]
    nothing_asks: str
    agreement: Sequence[Fact]
    requirements: Sequence[Fact]
    claims: str
    advice: AdviceShown | None
    decided_by: str
    history: Sequence[tuple[Any, str]]
    earlier: Sequence[Proof]
    approvals: ApprovalState | None
    approved_by: Sequence[tuple[str, WordGiven]]
    needs_two: bool
    refusal: str | None
    replaced_by: int | None
    following: int | None


def build(proof: Proof, caller: Caller) -> Page:
    """Gather the page of one proof for one reader."""
    fence = fence_of(proof.milestone)
    state = approvals.approval_state(f"proof:{proof.pk}", APPROVE_COMMAND)
    proof.approvals_given = 0 if state is None else state.given
    history = _history(proof)
    barred = _barred(proof, caller)
    said_yes = [] if state is None else approvals.words_given(f"proof:{proof.pk}", APPROVE_COMMAND)
    people = people_behind(
        {proof.decided_by, proof.reread_asked_by, *(word.actor for word in said_yes)}
    )
    return Page(
        proof=proof,
        state=decision_tag(proof),
        waited=waited(proof),
        amount=_money(proof.amount_minor, proof.currency),
        picture=_picture(proof),
        document=document.shown(proof),
        reread=reread.shown(
            proof,
            people[proof.reread_asked_by],
            [entry for entry, _ in history],
            may_decide=barred is None,
        ),
        needs_note=failed_checks(proof, is_staff=True),
        facts=_facts(proof),
        sketch=_sketch(proof, fence),
        findings=_findings(proof),
        reasons=[(tone_of(code), words(code)) for code in proof.review_reasons],
        nothing_asks=_nothing_asks(proof),
        agreement=_agreement(proof),
        requirements=_requirements(proof, fence),
        claims=_pretty(proof.metadata) if proof.metadata else "",
        advice=advice.shown(proof),
        decided_by=people[proof.decided_by],
        history=history,
        earlier=list(
            proofs_of_milestone(proof.milestone_id).exclude(pk=proof.pk)[:_EARLIER_PROOFS]
        ),
        approvals=state if proof.status == ProofStatus.PENDING else None,
        approved_by=[(people[word.actor], word) for word in said_yes],
        needs_two=proof.status == ProofStatus.PENDING
        and approvals.two_are_needed(
            escrow_id=proof.escrow_id, money=Money(proof.amount_minor, proof.currency)
        ),
        refusal=_refusal(proof, barred),
        replaced_by=replacement_of(proof.pk) if proof.is_replaced else None,
        following=next_in_queue(after=proof),
    )


def waited(proof: Proof) -> str:
    """How long a proof has been waiting, or how long it waited."""
    if proof.decided_at is None:
        return _duration(clock.now() - proof.created_at)
    return f"decided after {_duration(proof.decided_at - proof.created_at)}"


def escrow_url(proof: Proof) -> str:
    """The console's page of the proof's escrow."""
    return reverse("admin:escrow_escrow_change", args=[proof.escrow_id])


def _history(proof: Proof) -> list[tuple[Any, str]]:
    """What was done with it and by whom, newest first; who looked is in the audit trail."""
    done = entries(subject=f"proof:{proof.pk}").exclude(
        action__in=[Action.PROOF_READ, Action.PROOF_FILE_READ]
    )
    found = list(done.order_by("-pk")[:_HISTORY_ENTRIES])
    people = people_behind({entry.actor for entry in found})
    return [(entry, people[entry.actor]) for entry in found]


def _barred(proof: Proof, caller: Caller) -> str | None:
    """Why this person may not decide this proof, whatever its state; None where they may."""
    try:
        check_may_decide(caller, proof)
    except DomainError as refusal:
        return refusal.message
    return None


def _refusal(proof: Proof, barred: str | None) -> str | None:
    if proof.is_replaced:
        return "Nobody decided it: what more was asked for has come in its place."
    if proof.status != ProofStatus.PENDING:
        return "It was decided."
    if is_processing(proof):
        return "The machine is not done with it yet; reload the page in a moment."
    return barred


def _picture(proof: Proof) -> str:
    """What stands where the picture is shown."""
    if proof.upload is None:
        return "claim"
    if proof.derivative == Derivative.NONE:
        return "failed"
    if proof.page_count is not None and proof.derivative == Derivative.DONE:
        return "pages"
    return str(proof.derivative)


def _facts(proof: Proof) -> list[Fact]:
    facts = proof.facts or {}
    shown = [
        Fact("Arrived", _moment(proof.received_at)),
        Fact("Sent by", f"{proof.submitted_actor}, for {_username(proof.submitted_for)}"),
    ]
    if proof.upload is None:
        return [
            *shown,
            Fact("Address given", proof.claimed_url, "hard"),
            Fact("Hash given", proof.claimed_sha256),
        ]
    shown += [
        Fact("File", f"{proof.upload.original_name}, {proof.upload.media_type}"),
        Fact("Size", f"{proof.upload.size_bytes:,} bytes"),
        Fact("SHA-256", proof.file_sha256),
    ]
    if proof.page_count is not None:
        shown.append(Fact("Pages", str(proof.page_count)))
    if facts and proof.milestone_kind == ProofType.PHOTO:
        shown += [*_when(proof, facts), *_where(proof, facts), *_with_what(facts)]
    return shown


def _when(proof: Proof, facts: dict[str, Any]) -> list[Fact]:
    local = facts.get("taken_at_local")
    if local is None:
        return [Fact("Taken", "not said", "soft")]
    offset = facts.get("utc_offset") or "no time zone"
    shown = [Fact("Camera's clock", f"{local.replace('T', ' ')} ({offset})")]
    if proof.captured_at is not None:
        age = _duration(proof.received_at - proof.captured_at)
        shown.append(Fact("Taken", f"{_moment(proof.captured_at)}, {age} before it arrived"))
    return shown


def _where(proof: Proof, facts: dict[str, Any]) -> list[Fact]:
    position = usable_position(facts.get("latitude"), facts.get("longitude"))
    if position is None:
        return [Fact("Position", f"none ({facts.get('gps_state')})", "soft")]
    error = facts.get("positioning_error_m")
    vague = "" if error is None else f", ± {error:.0f} m"
    shown = [Fact("Position", f"{position[0]:.6f}, {position[1]:.6f}{vague}")]
    if proof.distance_m is not None:
        shown.append(Fact("Distance to the place", _distance(proof.distance_m)))
    return shown


def _with_what(facts: dict[str, Any]) -> list[Fact]:
    camera = " ".join(part for part in (facts.get("make"), facts.get("model")) if part)
    return [
        Fact("Picture", f"{facts.get('width')} by {facts.get('height')} pixels"),
        Fact("Camera", camera or "not named"),
        *([Fact("Software", facts["software"])] if facts.get("software") else []),
    ]


def _nothing_asks(proof: Proof) -> str:
    """What to say where there is no reason for a person's look; nothing while one may come."""
    if proof.processing != Processing.DONE:
        return ""
    if proof.findings:
        return "Nothing asks for it; what was noticed stands below."
    return "Nothing spoke against it."


def _findings(proof: Proof) -> list[dict[str, Any]]:
    gravest_first = sorted(
        proof.findings,
        key=lambda finding: _SEVERITIES.index(finding["severity"]),
    )
    return [
        {
            **finding,
            "matches": [
                (match["reference"], likeness(match))
                for match in finding["data"].get("matches", [])
            ],
            "figures": [
                figure(name, value)
                for name, value in sorted(finding["data"].items())
                if name not in _NOT_FIGURES and value is not None
            ],
        }
        for finding in gravest_first
    ]


def _agreement(proof: Proof) -> list[Fact]:
    escrow, milestone = proof.escrow, proof.milestone
    held_minor = escrow.funded_minor - escrow.released_minor - escrow.refunded_minor
    return [
        Fact("Escrow", f"{escrow.pk}, {escrow.status}", url=escrow_url(proof)),
        Fact("Sender", _username(proof.client)),
        Fact("Provider", _username(proof.provider)),
        Fact("Milestone", f"{milestone.sequence_index}, {milestone.label}, {milestone.status}"),
        Fact("Pays", _money(proof.amount_minor, proof.currency)),
        Fact("Held", _money(held_minor, escrow.currency)),
        Fact("Deadline", _moment(escrow.deadline_at)),
        Fact("Decided by", "the sender" if proof.validator == "SENDER" else "support"),
    ]


def _requirements(proof: Proof, fence: Geofence | None) -> list[Fact]:
    milestone = proof.milestone
    age = milestone.max_age_minutes
    shown = [Fact("Kind of proof", milestone.proof_kind.title())]
    if milestone.proof_kind == ProofType.PHOTO:
        shown += [
            Fact("Taken within", "no limit" if age is None else f"{age} minutes"),
            Fact("Place", _place(fence)),
        ]
    wanted = milestone.proof_requirements
    return shown + [Fact(name.replace("_", " "), str(value)) for name, value in wanted.items()]


def _place(fence: Geofence | None) -> str:
    if fence is None:
        return "not agreed"
    return f"within {fence.radius_m} m of {fence.lat}, {fence.lng}"


def _sketch(proof: Proof, fence: Geofence | None) -> Sketch | None:
    facts = proof.facts or {}
    position = usable_position(facts.get("latitude"), facts.get("longitude"))
    if fence is None or position is None or proof.distance_m is None:
        return None
    bearing = math.radians(
        Geodesic.WGS84.Inverse(float(fence.lat), float(fence.lng), *position, Geodesic.AZIMUTH)[
            "azi1"
        ]
    )
    distance, radius = float(proof.distance_m), float(fence.radius_m)
    error = facts.get("positioning_error_m")
    # Much of a vague position is shown, but never so much that the fence becomes a dot.
    vague = 0.0 if error is None else min(error, 3 * radius + distance)
    metre_px = _SKETCH_PX / 2 / (1.2 * max(distance + vague, radius, 1.0))
    return Sketch(
        size_px=_SKETCH_PX,
        radius_px=round(radius * metre_px, 1),
        x_px=round(_SKETCH_PX / 2 + distance * metre_px * math.sin(bearing), 1),
        y_px=round(_SKETCH_PX / 2 - distance * metre_px * math.cos(bearing), 1),
        error_px=None if error is None else round(vague * metre_px, 1),
        is_inside=proof.distance_m <= fence.radius_m,
        caption=f"{_distance(proof.distance_m)} from the centre of a circle of {fence.radius_m} m",
    )


def _username(user: Any) -> str:
    return "nobody" if user is None else user.username


def _money(amount_minor: int, currency: str) -> str:
    return f"{format_minor(amount_minor, currency)} {currency}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _distance(distance_m: Decimal) -> str:
    return f"{distance_m:.1f} m" if distance_m < 10_000 else f"{distance_m / 1000:.1f} km"


def _duration(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    return "less than nothing" if minutes < 0 else span(minutes)


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
