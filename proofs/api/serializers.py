"""What goes in and out of /proofs."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from rest_framework import serializers

from kobatela.accounts.selectors import language_of, parties_of
from kobatela.accounts.services.approvals import ApprovalState, WordGiven, words_given
from kobatela.kernel.caller import Caller
from kobatela.rest.fields import FilterSerializer, IdField, JSONObjectField, StrictSerializer
from kobatela.uploads.addresses import upload_id_of
from proofs import masking
from proofs.masking import Relation
from proofs.models import Proof
from proofs.services.decisions import APPROVE_COMMAND
from proofs.shown import invoice_total
from proofs.states import Processing, ProofStatus, ProofType
from proofs.wording import worded

_DECISIONS = {
    "approve": ProofStatus.APPROVED,
    "approved": ProofStatus.APPROVED,
    "reject": ProofStatus.REJECTED,
    "rejected": ProofStatus.REJECTED,
}
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
# Control characters and line ends, and those that nobody sees or that turn the direction of what
# follows: an address would be read as another one.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class ProofIn(StrictSerializer):
    """A proof as it is sent: with its file, with an upload made ahead, or as a mere claim."""

    escrow_id = IdField()
    milestone_idx = serializers.IntegerField(min_value=0, max_value=2**31 - 1)
    type = serializers.ChoiceField(choices=[(item.value, item.value) for item in ProofType])
    file = serializers.FileField(required=False, allow_empty_file=True)
    upload_id = IdField(required=False)
    storage_url = serializers.CharField(required=False, max_length=1024)
    sha256 = serializers.CharField(required=False, allow_blank=True, max_length=128)
    metadata = JSONObjectField(required=False, allow_null=True, from_text=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Exactly one of the three ways in."""
        ways = [name for name in ("file", "upload_id", "storage_url") if attrs.get(name)]
        if not ways:
            raise serializers.ValidationError(
                {"file": "Send a file, an upload_id, or a storage_url with its sha256."},
                code="required",
            )
        if len(ways) > 1:
            raise serializers.ValidationError(
                {ways[1]: f"Send either {ways[0]} or {ways[1]}."}, code="conflict"
            )
        sha256 = attrs.get("sha256")
        # With a file, any other hash than the file's own differs from it, and is refused as such.
        if ways == ["storage_url"] and sha256 and not _SHA256.fullmatch(sha256):
            raise serializers.ValidationError(
                {"sha256": "64 hexadecimal digits are needed."}, code="invalid"
            )
        return attrs

    def validate_storage_url(self, value: str) -> str:
        """An address on the web, or that of an upload of ours. It is given back as it came."""
        if any(unicodedata.category(sign) in _UNSEEN for sign in value):
            raise serializers.ValidationError(
                "An address holds no control and no direction characters.", code="invalid"
            )
        if upload_id_of(value) is None and not _is_on_the_web(value):
            raise serializers.ValidationError(
                "An http or https address, or that of an upload, is needed.", code="invalid"
            )
        return value


class DecisionIn(StrictSerializer):
    """A person's word on a proof."""

    decision = serializers.ChoiceField(choices=list(_DECISIONS))
    note = serializers.CharField(
        required=False, allow_blank=True, allow_null=True, max_length=2000, default=""
    )

    def validate_decision(self, value: str) -> ProofStatus:
        """The state that the word asks for."""
        return _DECISIONS[value]


class RequestInfoIn(StrictSerializer):
    """What is missing."""

    note = serializers.CharField(allow_blank=True, max_length=2000, default="")


class ProofFilters(FilterSerializer):
    """The query string of GET /proofs."""

    escrow_id = IdField(required=False)
    milestone_id = IdField(required=False)
    status = serializers.ChoiceField(required=False, choices=[item.value for item in ProofStatus])
    type = serializers.ChoiceField(required=False, choices=[item.value for item in ProofType])
    processing = serializers.ChoiceField(
        required=False, choices=[item.value for item in Processing]
    )


class FindingOut(serializers.Serializer[Any]):
    """One result of one check."""

    code = serializers.CharField()
    severity = serializers.ChoiceField(choices=["soft", "info"])
    message = serializers.CharField()
    hint = serializers.CharField()
    data = serializers.DictField()  # type: ignore[assignment]  # DRF's metaclass takes it out


class CheckOut(serializers.Serializer[Any]):
    """One comparison of what was read with what was expected."""

    name = serializers.CharField()
    expected = serializers.CharField(allow_null=True)
    actual = serializers.CharField(allow_null=True)
    agrees = serializers.BooleanField(allow_null=True)


class ReadingOut(serializers.Serializer[Any]):
    """How a document was read. Staff only."""

    engine = serializers.CharField(allow_null=True)
    version = serializers.CharField(allow_null=True)
    status = serializers.CharField()
    raw = serializers.CharField(allow_null=True)


class WordGivenOut(serializers.Serializer[WordGiven]):
    """One person's approval: who, why and when."""

    actor = serializers.CharField()
    note = serializers.CharField(allow_null=True)
    at = serializers.DateTimeField()


class ApprovalsOut(serializers.Serializer[ApprovalState]):
    """How many people have approved and how many must."""

    given = serializers.IntegerField()
    needed = serializers.IntegerField()


class _ProofPage(serializers.ListSerializer[Any]):
    """Asks once for a whole page whom the caller acts for, and in which language it reads."""

    def to_representation(self, data: Any) -> list[Any]:
        """The page's proofs."""
        proofs = list(data)
        caller = self.context["view"].caller
        self._context = {
            **self.context,
            "parties": _parties_among(proofs, caller),
            "language": language_of(caller.user_id),
        }
        return super().to_representation(proofs)


class ProofOut(serializers.Serializer[Proof]):
    """A proof as this caller may see it.

    The context names the view, whose caller reads; `approvals` in it, by proof id, are shown to
    staff.
    """

    id = serializers.IntegerField()
    escrow_id = serializers.IntegerField()
    milestone_id = serializers.IntegerField()
    milestone_idx = serializers.IntegerField()
    type = serializers.ChoiceField(choices=[item.value for item in ProofType])
    status = serializers.ChoiceField(choices=[item.value for item in ProofStatus])
    processing = serializers.ChoiceField(choices=[item.value for item in Processing])
    sha256 = serializers.CharField()
    storage_url = serializers.CharField()
    has_file = serializers.BooleanField()
    media_type = serializers.CharField(allow_null=True)
    page_count = serializers.IntegerField(allow_null=True)
    metadata = serializers.DictField()
    findings = FindingOut(many=True)
    review_reasons = serializers.ListField(child=serializers.CharField())
    captured_at = serializers.DateTimeField(allow_null=True)
    received_at = serializers.DateTimeField()
    distance_m = serializers.CharField(allow_null=True)
    ai_risk_level = serializers.CharField(allow_null=True)
    ai_score = serializers.CharField(allow_null=True)
    ai_flags = serializers.ListField(child=serializers.CharField(), allow_null=True)
    ai_explanation = serializers.CharField(allow_null=True)
    ai_checked_at = serializers.DateTimeField(allow_null=True)
    ai_reviewed_by = serializers.CharField(allow_null=True)
    ai_reviewed_at = serializers.DateTimeField(allow_null=True)
    invoice_total_amount = serializers.CharField(allow_null=True)
    invoice_currency = serializers.CharField(allow_null=True)
    fields = serializers.DictField()  # type: ignore[assignment]  # DRF's metaclass takes it out
    checks = CheckOut(many=True)
    reading = ReadingOut(allow_null=True)
    approvals = ApprovalsOut(required=False)
    approved_by = WordGivenOut(many=True, required=False)
    decision_note = serializers.CharField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    info_note = serializers.CharField(allow_null=True)
    info_requested_at = serializers.DateTimeField(allow_null=True)
    replaces_proof_id = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    class Meta:
        list_serializer_class = _ProofPage

    def to_representation(self, instance: Proof) -> dict[str, Any]:
        """The proof, masked by how the caller stands to it."""
        caller = self.context["view"].caller
        parties, language = self.context.get("parties"), self.context.get("language")
        if parties is None or language is None:
            parties, language = _parties_among([instance], caller), language_of(caller.user_id)
        relation = _relation(instance, caller, parties)
        own = instance.submitted_for_id in parties
        shown = {
            **_identity(instance),
            **_evidence(instance, relation, own=own, language=language),
            **_advice(instance, relation),
            **_document(instance, relation),
            **_decision(instance),
        }
        state = self.context.get("approvals", {}).get(instance.pk)
        if state is not None and relation is Relation.STAFF:
            shown["approvals"] = {"given": state.given, "needed": state.needed}
            shown["approved_by"] = _approved_by(instance)
        return shown


def _approved_by(proof: Proof) -> list[dict[str, Any]]:
    said_yes = words_given(f"proof:{proof.pk}", APPROVE_COMMAND)
    return [{"actor": word.actor, "note": word.note or None, "at": word.at} for word in said_yes]


def _is_on_the_web(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False


def _parties_among(proofs: Iterable[Proof], caller: Caller) -> frozenset[int]:
    """Those providers and submitters of the proofs for whom the caller acts."""
    if caller.is_staff:
        return frozenset()
    asked = {proof.provider_id for proof in proofs}
    asked |= {proof.submitted_for_id for proof in proofs if proof.submitted_for_id is not None}
    return frozenset(parties_of(caller).filter(pk__in=asked).values_list("pk", flat=True))


def _relation(proof: Proof, caller: Caller, parties: frozenset[int]) -> Relation:
    if caller.is_staff:
        return Relation.STAFF
    return Relation.PROVIDER if proof.provider_id in parties else Relation.SENDER


def _identity(proof: Proof) -> dict[str, Any]:
    return {
        "id": proof.pk,
        "escrow_id": proof.escrow_id,
        "milestone_id": proof.milestone_id,
        "milestone_idx": proof.milestone_idx,
        "type": proof.type,
        "status": proof.status,
        "processing": proof.processing,
        "sha256": proof.sha256,
        "storage_url": proof.storage_url,
        "has_file": proof.upload is not None,
        "media_type": None if proof.upload is None else proof.upload.media_type,
        "page_count": proof.page_count,
        "received_at": proof.received_at,
        "created_at": proof.created_at,
        "updated_at": proof.updated_at,
    }


def _evidence(proof: Proof, relation: Relation, *, own: bool, language: str) -> dict[str, Any]:
    is_staff = relation is Relation.STAFF
    return {
        "metadata": proof.metadata if is_staff else masking.mask_metadata(proof.metadata),
        "findings": worded(masking.mask_findings(proof.findings, relation, own=own), language),
        "review_reasons": [
            code for code in proof.review_reasons if not masking.hides(relation, code, own=own)
        ],
        "captured_at": proof.captured_at,
        "distance_m": None if relation is Relation.PROVIDER else proof.distance_m,
    }


def _advice(proof: Proof, relation: Relation) -> dict[str, Any]:
    """The advisor's word: all of it for staff, its level and flags for senders."""
    is_staff, is_told = relation is Relation.STAFF, relation is not Relation.PROVIDER
    decided_by_person = bool(proof.decided_by) and not proof.decided_by.startswith("system:")
    return {
        "ai_risk_level": (proof.ai_risk_level or None) if is_told else None,
        "ai_score": proof.ai_score if is_staff else None,
        "ai_flags": proof.ai_flags if is_told else None,
        "ai_explanation": (proof.ai_explanation or None) if is_staff else None,
        "ai_checked_at": proof.ai_checked_at if is_told else None,
        "ai_reviewed_by": proof.decided_by if is_staff and decided_by_person else None,
        "ai_reviewed_at": proof.decided_at if is_told and decided_by_person else None,
    }


def _document(proof: Proof, relation: Relation) -> dict[str, Any]:
    """What was read of a document, and how it compares; raw text for staff alone."""
    reading = proof.reading
    if reading is None:
        unread = {"engine": None, "version": None, "status": "unread", "raw": None}
        return {
            "invoice_total_amount": None,
            "invoice_currency": None,
            "fields": {},
            "checks": [],
            "reading": unread if relation is Relation.STAFF else None,
        }
    raw = {
        "engine": reading.engine,
        "version": reading.engine_version or None,
        "status": reading.status,
        "raw": reading.raw_text,
    }
    return {
        "invoice_total_amount": invoice_total(reading.fields),
        "invoice_currency": reading.fields.get("currency", {}).get("value"),
        "fields": masking.mask_fields(reading.fields, relation),
        "checks": masking.mask_checks(reading.checks, relation),
        "reading": raw if relation is Relation.STAFF else None,
    }


def _decision(proof: Proof) -> dict[str, Any]:
    return {
        "decision_note": proof.decision_note or None,
        "decided_at": proof.decided_at,
        "info_note": proof.info_note or None,
        "info_requested_at": proof.info_requested_at,
        "replaces_proof_id": proof.replaces_id,
    }
