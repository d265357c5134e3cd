"""Reads of proofs."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from kobatela.accounts.visible import visible_to
from kobatela.kernel import clock
from kobatela.kernel.caller import Caller
from proofs.checks.duplicates import (
    HASH_BITS,
    NEAR_DUPLICATE_BITS,
    TURNED_DUPLICATE_BITS,
    KnownImage,
    turned_hashes,
)
from proofs.checks.geofence import usable_position
from proofs.checks.travel import EVERYWHERE_AFTER, KnownPhoto, Taken
from proofs.errors import ProofNotFound
from proofs.masking import Relation
from proofs.models import AdviceRun, AdvisorState, DocumentReading, Proof
from proofs.states import (
    ANSWER_ACTOR,
    LIVE_STATUSES,
    MACHINE_ACTOR,
    PROCESSED,
    AdviceStatus,
    BreakerState,
    Derivative,
    Processing,
    ProofStatus,
)

# Nobody waits longer for a machine that does not come back.
PROCESSING_HOLDS_FOR = timedelta(minutes=10)
DAY = timedelta(hours=24)
MAX_MATCHES = 20
QUEUE_COUNTED_TO = 1_000

OWN_IMAGES = 500
NEWEST_IMAGES = 20_000
SAME_MOMENT_PHOTOS = 500

# A picture can lie in seven other ways.
_TURNED = " OR ".join(["bit_count(bits # %s::bit(256)) <= %s"] * 7)
_NEAR = f"""
(SELECT proof_id, bits::text FROM proofs_imagehash
WHERE bit_count(bits # %s::bit(256)) <= %s AND NOT proof_id = ANY(%s)
ORDER BY bit_count(bits # %s::bit(256)), proof_id LIMIT %s)
UNION
(SELECT image.proof_id, image.bits::text FROM proofs_proof proof
JOIN proofs_imagehash image ON image.proof_id = proof.id
WHERE proof.provider_id = %s AND NOT proof.id = ANY(%s)
ORDER BY proof.id DESC LIMIT %s)
UNION
(SELECT proof_id, bits::text FROM (
    SELECT proof_id, bits FROM proofs_imagehash WHERE NOT proof_id = ANY(%s)
    ORDER BY proof_id DESC LIMIT %s
) newest WHERE {_TURNED} ORDER BY proof_id DESC LIMIT %s)
"""  # noqa: S608 - nothing of a caller's is in it


def visible_proofs(caller: Caller) -> QuerySet[Proof]:
    """The proofs of escrows in which the caller acts for a party; all of them for staff."""
    return Proof.objects.filter(visible_to(caller, "client", "provider")).select_related(
        "upload", "reading"
    )


def get_proof(caller: Caller, proof_id: int) -> Proof:
    """One proof. Raises ProofNotFound, also for one that the caller may not see."""
    proof = visible_proofs(caller).filter(pk=proof_id).first()
    if proof is None:
        raise ProofNotFound
    return proof


def get_proof_for_review(caller: Caller, proof_id: int) -> Proof:
    """One proof with all that stands around it. Raises ProofNotFound."""
    around = ("upload", "reading", "escrow", "milestone", "client", "provider", "submitted_for")
    proof = visible_proofs(caller).select_related(*around, "replaces").filter(pk=proof_id).first()
    if proof is None:
        raise ProofNotFound
    return proof


def lock_proof(proof_id: int) -> Proof:
    """The proof, locked to the end of the transaction; after its escrow and its milestone."""
    locked = Proof.objects.select_for_update(of=("self",))
    return locked.select_related("upload", "reading").get(pk=proof_id)


def lock_pending(*, escrow_id: int, milestone_id: int | None = None) -> list[Proof]:
    """The undecided proofs of an escrow, or of one of its milestones, locked; escrow first."""
    pending = Proof.objects.select_for_update().filter(
        escrow_id=escrow_id, status=ProofStatus.PENDING
    )
    if milestone_id is not None:
        pending = pending.filter(milestone_id=milestone_id)
    return list(pending.order_by("pk"))


def replacement_of(proof_id: int) -> int | None:
    """The proof that came in place of one, because more was asked for."""
    return Proof.objects.filter(replaces=proof_id).values_list("pk", flat=True).first()


def relation_of(caller: Caller, *, provider_id: int) -> Relation:
    """How the caller stands to an escrow that it may see.

    Whoever acts for the provider reads as one, also where the same key acts for the sender.
    """
    if caller.is_staff:
        return Relation.STAFF
    return Relation.PROVIDER if caller.may_act_for(provider_id) else Relation.SENDER


def review_queue() -> QuerySet[Proof]:
    """What waits for a person, waiting longest first; without what the machine still works on."""
    return (
        Proof.objects.filter(status=ProofStatus.PENDING)
        .filter(Q(processing__in=PROCESSED) | Q(created_at__lte=clock.now() - PROCESSING_HOLDS_FOR))
        .order_by("created_at", "pk")
    )


def queue_length() -> int:
    """How many proofs wait for a person, counted no further than QUEUE_COUNTED_TO."""
    return review_queue().order_by()[:QUEUE_COUNTED_TO].count()


def next_in_queue(*, after: Proof) -> int | None:
    """The proof that has waited longest after this one, else the one that waits longest of all."""
    waiting = review_queue().exclude(pk=after.pk)
    later = waiting.filter(
        Q(created_at__gt=after.created_at) | Q(created_at=after.created_at, pk__gt=after.pk)
    )
    for queue in (later, waiting):
        found = queue.values_list("pk", flat=True).first()
        if found is not None:
            return found
    return None


def proofs_of_milestone(milestone_id: int) -> QuerySet[Proof]:
    """Every proof of one milestone, newest first."""
    return Proof.objects.filter(milestone_id=milestone_id).order_by("-pk")


def is_processing(proof: Proof) -> bool:
    """Whether a decision must wait for the machine; 10 minutes at most."""
    return (
        proof.processing not in PROCESSED and clock.now() - proof.created_at < PROCESSING_HOLDS_FOR
    )


@dataclass(frozen=True, slots=True)
class SameFile:
    """An earlier proof with the same bytes."""

    proof_id: int
    client_id: int
    provider_id: int
    is_live: bool


def same_file(file_sha256: str) -> list[SameFile]:
    """Every proof with these bytes, newest first. Hashes that callers claimed do not count."""
    rows = (
        Proof.objects.filter(file_sha256=file_sha256)
        .order_by("-pk")
        .values_list("pk", "client_id", "provider_id", "status")
    )
    return [
        SameFile(pk, client, provider, status in LIVE_STATUSES)
        for pk, client, provider, status in rows
    ]


def images_to_compare(
    perceptual_hash: str, *, provider_id: int, but: Collection[int] = ()
) -> list[KnownImage]:
    """The nearest pictures of other proofs within the distance of a near duplicate, at most 20,
    and as many that are so mirrored or turned, of the newest 20,000 of all; besides them the
    provider's own newest 500, however far, which may be mirrored or turned as well.

    Every hash is compared as it lies, in the database: at 100,000 all of it takes some tens of
    milliseconds.
    """
    bits, excluded = to_bits(perceptual_hash), list(but)
    near = (bits, NEAR_DUPLICATE_BITS, excluded, bits, MAX_MATCHES)
    own = (provider_id, excluded, OWN_IMAGES)
    ways = [
        value
        for way in turned_hashes(perceptual_hash)
        for value in (to_bits(way), TURNED_DUPLICATE_BITS)
    ]
    turned = (excluded, NEWEST_IMAGES, *ways, MAX_MATCHES)
    with connection.cursor() as cursor:
        cursor.execute(_NEAR, (*near, *own, *turned))
        rows = cursor.fetchall()
    return [
        KnownImage(reference=proof_id, perceptual_hash=_from_bits(found))
        for proof_id, found in rows
    ]


def was_rejected(milestone_id: int) -> bool:
    """Whether a proof of this milestone was rejected; not, whether one only gave way to another."""
    rejected = Proof.objects.filter(milestone_id=milestone_id, status=ProofStatus.REJECTED)
    return rejected.exclude(decided_by=ANSWER_ACTOR).exists()


def photos_taken_around(*, provider_id: int, at: datetime) -> list[KnownPhoto]:
    """The provider's live photos that say where they were taken, and when, so near to `at` that
    their places can contradict one: the 20 nearest in time before it, and after it.
    """
    dated = Proof.objects.filter(provider_id=provider_id, status__in=LIVE_STATUSES)
    before = dated.filter(captured_at__range=(at - EVERYWHERE_AFTER, at))
    after = dated.filter(captured_at__gt=at, captured_at__lte=at + EVERYWHERE_AFTER)
    rows = [
        *before.order_by("-captured_at").values_list("pk", "captured_at", "facts")[:MAX_MATCHES],
        *after.order_by("captured_at").values_list("pk", "captured_at", "facts")[:MAX_MATCHES],
    ]
    return _known_photos(rows)


def photos_taken_at(*, taken: Taken, but: Collection[int] = ()) -> list[KnownPhoto]:
    """Photos of other proofs that say the same instant and the same place to the last digit, the
    500 oldest: whoever's they are, and whatever became of them.

    The first is the original, so who sends many of them hides nothing.
    """
    rows = (
        Proof.objects.filter(
            captured_at=taken.at, facts__latitude=taken.latitude, facts__longitude=taken.longitude
        )
        .exclude(pk__in=but)
        .order_by("pk")
        .values_list("pk", "captured_at", "facts")[:SAME_MOMENT_PHOTOS]
    )
    return _known_photos(rows)


def _known_photos(
    rows: Iterable[tuple[int, datetime | None, dict[str, Any] | None]],
) -> list[KnownPhoto]:
    return [
        KnownPhoto(reference=proof_id, taken=taken, facts=facts or {})
        for proof_id, captured_at, facts in rows
        if (taken := taken_where(captured_at, facts)) is not None
    ]


def taken_where(captured_at: datetime | None, facts: Mapping[str, Any] | None) -> Taken | None:
    """Place and instant of a photo by its facts; None where it lacks either."""
    position = facts and usable_position(facts.get("latitude"), facts.get("longitude"))
    if captured_at is None or not facts or not position:
        return None
    error_m = facts.get("positioning_error_m")
    return Taken(at=captured_at, latitude=position[0], longitude=position[1], error_m=error_m)


def to_bits(perceptual_hash: str) -> str:
    """64 hexadecimal digits as the text of a bit(256)."""
    return f"{int(perceptual_hash, 16):0{HASH_BITS}b}"


def _from_bits(bits: str) -> str:
    return f"{int(bits, 2):0{HASH_BITS // 4}x}"


def machine_approved_minor(*, provider_id: int, escrow_id: int, currency: str) -> tuple[int, int]:
    """What machines approved in the last 24 hours in one currency: for the escrow, the provider."""
    of_day = Proof.objects.filter(
        provider_id=provider_id,
        decided_by=MACHINE_ACTOR,
        decided_at__gt=clock.now() - DAY,
        currency=currency,
    )
    # One escrow has one provider, so its sum is a part of the provider's.
    sums = of_day.aggregate(
        escrow=Sum("amount_minor", filter=Q(escrow_id=escrow_id)), provider=Sum("amount_minor")
    )
    return sums["escrow"] or 0, sums["provider"] or 0


def documents_due(*, now: datetime, limit: int) -> list[int]:
    """The proofs whose document nobody reads although it is time, due longest first."""
    unread = Q(processing__in=[Processing.QUEUED, Processing.READING])
    return list(
        Proof.objects.filter(unread | Q(reread_asked_at__isnull=False), processing_due_at__lte=now)
        .order_by("processing_due_at")
        .values_list("pk", flat=True)[:limit]
    )


def invoices_numbered(
    key: str, *, but: int
) -> Iterator[tuple[int, dict[str, Any], list[dict[str, Any]]]]:
    """Live proofs whose newest reading has this invoice number, the newest first, with the fields
    that were read and the comparisons that were made.

    `but` is the proof that asks. All of them: suppliers count from 1, so the one that is looked
    for may stand behind any number of others.
    """
    return (
        Proof.objects.filter(reading__number_key=key, status__in=LIVE_STATUSES)
        .exclude(pk=but)
        .order_by("-pk")
        .values_list("pk", "reading__fields", "reading__checks")
        .iterator()
    )


def readings_since(since: datetime) -> QuerySet[DocumentReading]:
    """What was read of documents from a moment on."""
    return DocumentReading.objects.filter(created_at__gte=since)


def derivatives_wanted(*, older_than: datetime, limit: int) -> list[tuple[int, bool]]:
    """The proofs whose picture for showing nobody made yet, oldest first, and which are PDFs."""
    wanted = Proof.objects.filter(derivative=Derivative.WANTED, created_at__lte=older_than)
    rows = wanted.order_by("created_at").values_list("pk", "page_count")[:limit]
    return [(pk, page_count is not None) for pk, page_count in rows]


def get_proof_for_advice(proof_id: int) -> Proof:
    """A proof with all the people around it, none of whom may be told of."""
    people = ("client", "provider", "submitted_by", "submitted_for")
    managers = [f"{person}__managed_by" for person in people]
    around = ("upload", "milestone", "escrow", "reading", *people, *managers)
    return Proof.objects.select_related(*around).get(pk=proof_id)


def said_with_proofs(escrow_id: int, *, limit: int) -> list[Any]:
    """Of the newest `limit` proofs of an escrow: metadata, who sent it, and for whom, and the
    account that was read of it."""
    rows = Proof.objects.filter(escrow_id=escrow_id).order_by("-pk")
    told = ("metadata", "submitted_by_id", "submitted_for_id", "reading__fields__iban")
    return list(rows.values_list(*told)[:limit])


def lock_running_advice(proof_id: int) -> AdviceRun | None:
    """The try that is under way for a locked proof, if any."""
    running = AdviceRun.objects.select_for_update().filter(
        proof_id=proof_id, status=AdviceStatus.RUNNING
    )
    return running.first()


def latest_advice(proof_id: int) -> AdviceRun | None:
    """The last try to get advice on a proof."""
    return AdviceRun.objects.filter(proof_id=proof_id).order_by("-pk").first()


def advice_given_up(*, came_before: datetime, began_before: datetime, limit: int) -> list[int]:
    """The proofs for which advice comes too late, or for which whoever asked has died."""
    is_lost = Exists(_running_advice().filter(started_at__lte=began_before))
    found = _advising().filter(Q(processing_since__lte=came_before) | is_lost)
    return list(found.values_list("pk", flat=True)[:limit])


def advice_not_begun(*, before: datetime, limit: int) -> list[int]:
    """The proofs that came before a moment and for whose advice no worker is asking."""
    found = _advising().filter(processing_since__lte=before).exclude(Exists(_running_advice()))
    return list(found.values_list("pk", flat=True)[:limit])


def _running_advice() -> QuerySet[AdviceRun]:
    return AdviceRun.objects.filter(proof=OuterRef("pk"), status=AdviceStatus.RUNNING)


def _advising() -> QuerySet[Proof]:
    return Proof.objects.filter(processing=Processing.ADVISING).order_by("processing_since")


def advisor_metrics() -> dict[str, Any]:
    """The advisor's counters since the beginning, and how its breaker stands."""
    state = AdvisorState.objects.get(pk="ai")
    return {
        "calls": state.calls,
        "errors": state.errors,
        "skipped": state.skipped,
        "latency_ms_total": state.latency_ms_total,
        "prompt_tokens": state.prompt_tokens,
        "completion_tokens": state.completion_tokens,
        "breaker": state.breaker,
        "breaker_failures": state.failures,
        "breaker_opened_at": None if state.breaker == BreakerState.CLOSED else state.opened_at,
    }
