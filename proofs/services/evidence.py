"""Reading and judging what was sent, before any transaction and before anything is kept."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from audit.actions import Action
from audit.services import entries
from kobatela.accounts.selectors import language_of
from kobatela.kernel.caller import Caller
from kobatela.kernel.errors import ValidationFailed
from kobatela.uploads import storage
from kobatela.uploads.addresses import upload_id_of
from kobatela.uploads.errors import (
    FileRefused,
    FileStorageUnavailable,
    FileTooLarge,
    FileTypeNotAllowed,
    UploadAlreadyUsed,
    UploadExpired,
    UploadNotFound,
)
from kobatela.uploads.quarantine import QuarantinedFile
from kobatela.uploads.selectors import get_usable_upload
from kobatela.uploads.services import files
from kobatela.uploads.services.files import PDF, StoredFile
from proofs import errors
from proofs.checks.capture_time import capture_window
from proofs.checks.findings import Finding, Severity
from proofs.checks.geofence import Geofence, distance_m, usable_position
from proofs.checks.photo import check_photo
from proofs.masking import mask_figures, mask_findings
from proofs.readers import document_reading, pool
from proofs.readers.documents.facts import MAX_PAGES
from proofs.readers.errors import ReaderRefusal, ReaderUnavailable, RefusalCode
from proofs.readers.facts import ImageFacts
from proofs.selectors import relation_of
from proofs.states import DOCUMENT_KINDS, ProofType
from proofs.wording import worded

if TYPE_CHECKING:
    from escrow.models import Milestone
    from kobatela.uploads.models import Upload

IMAGES = frozenset({"image/jpeg", "image/png", "image/webp", "image/heic"})
_PICTURE_REFUSALS: Mapping[RefusalCode, type[FileRefused]] = {
    RefusalCode.FILE_TOO_LARGE: FileTooLarge,
    RefusalCode.FILE_TYPE_NOT_ALLOWED: FileTypeNotAllowed,
    RefusalCode.FILE_UNREADABLE: errors.FileUnreadable,
    RefusalCode.IMAGE_TOO_LARGE: errors.ImageTooLarge,
    RefusalCode.PDF_ENCRYPTED: errors.PdfEncrypted,
}
_DOCUMENT_REFUSALS = {
    **_PICTURE_REFUSALS,
    RefusalCode.FILE_TOO_LARGE: errors.TooManyPages,
    RefusalCode.FILE_UNREADABLE: errors.DocumentUnreadable,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a caller sent: a file, an upload made ahead, or an address that nothing proves.

    sha256 is what the caller says of the bytes; for a file or an upload it is optional.
    """

    arrived_at: datetime
    file: QuarantinedFile | None = None
    upload_id: int | None = None
    claimed_url: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a milestone asks of its proofs."""

    escrow_id: int
    milestone_id: int
    provider_id: int
    proof_kind: str
    fence: Geofence | None
    max_age_minutes: int | None
    gps_required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was sent, read and judged; nothing in it is hard.

    Either `stored` (the file of this request), `upload_id` (one made ahead) or neither: a claim.
    facts are those of a picture, page_count is that of a PDF.
    """

    milestone_id: int
    received_at: datetime
    stored: StoredFile | None = None
    upload_id: int | None = None
    sha256: str = ""
    media_type: str = ""
    claimed_url: str = ""
    claimed_sha256: str = ""
    facts: ImageFacts | None = None
    page_count: int | None = None
    findings: tuple[Finding, ...] = ()
    captured_at: datetime | None = None
    distance_m: Decimal | None = None

    @property
    def has_file(self) -> bool:
        """Whether there is anything behind the claim."""
        return bool(self.sha256)


def terms_of(milestone: "Milestone") -> Terms:
    """What `milestone`, loaded with its escrow, asks, and whom it pays."""
    return Terms(
        escrow_id=milestone.escrow_id,
        milestone_id=milestone.pk,
        provider_id=milestone.escrow.provider_id,
        proof_kind=milestone.proof_kind,
        fence=fence_of(milestone),
        max_age_minutes=milestone.max_age_minutes,
        gps_required=milestone.proof_requirements.get("gps_required") is True,
    )


def fence_of(milestone: "Milestone") -> Geofence | None:
    """The circle in which the milestone's photo must be taken, if it has one."""
    lat, lng, radius_m = (
        milestone.geofence_lat,
        milestone.geofence_lng,
        milestone.geofence_radius_m,
    )
    if lat is None or lng is None or radius_m is None:
        return None
    return Geofence(lat=lat, lng=lng, radius_m=radius_m)


def check_type(proof_type: str, terms: Terms) -> None:
    """Raise ProofTypeMismatch unless the milestone takes proofs of this type."""
    fits = proof_type == terms.proof_kind or (
        proof_type == ProofType.PDF and terms.proof_kind in DOCUMENT_KINDS
    )
    if not fits:
        raise errors.ProofTypeMismatch(wanted=terms.proof_kind, got=proof_type)


def gather(*, sent: Sent, proof_type: str, terms: Terms, caller: Caller) -> Evidence:
    """Read and judge what was sent. Nothing is kept yet, and no transaction is open.

    Raises ProofTypeMismatch, the refusals of files (type, size, unreadable), Sha256Mismatch, those
    of uploads, FileStorageUnavailable, ValidationFailed for a claim without a hash, and an
    EvidenceRefused for a photo that breaks a rule, which is also audited.
    """
    check_type(proof_type, terms)
    file = _received(sent, proof_type, caller)
    if file is None:
        return _claim(sent, terms)
    if sent.sha256 and sent.sha256.strip().lower() != file.sha256:
        raise errors.Sha256Mismatch(sha256=file.sha256)
    is_picture = file.media_type in IMAGES
    with _at_hand(file) as path:
        facts = read_picture(path) if is_picture else None
        page_count = None if is_picture else count_pages(path)
    findings: tuple[Finding, ...] = ()
    if proof_type == ProofType.PHOTO and facts is not None:
        findings = tuple(_judge(facts, terms, file.received_at))
        _refuse_hard(findings, terms=terms, sha256=file.sha256, caller=caller)
    return Evidence(
        milestone_id=terms.milestone_id,
        received_at=file.received_at,
        upload_id=file.upload_id,
        sha256=file.sha256,
        media_type=file.media_type,
        facts=facts,
        page_count=page_count,
        findings=findings,
        captured_at=_captured_at(facts) if facts else None,
        distance_m=_distance(facts, terms) if facts else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Received:
    """A file of an allowed type: of this request, with its path, or kept ahead, with its name."""

    path: Path | None = None
    storage_name: str = ""
    sha256: str
    media_type: str
    received_at: datetime
    upload_id: int | None = None


def _received(sent: Sent, proof_type: str, caller: Caller) -> _Received | None:
    allowed = _allowed_types(proof_type)
    if sent.file is not None:
        return _Received(
            path=sent.file.path,
            sha256=sent.file.sha256,
            media_type=files.media_type_of(sent.file, allowed=allowed),
            received_at=sent.file.received_at,
        )
    upload = _upload(sent, caller)
    if upload is None:
        return None
    if upload.media_type not in allowed:
        raise FileTypeNotAllowed
    return _Received(
        storage_name=upload.storage_name,
        sha256=upload.sha256,
        media_type=upload.media_type,
        received_at=upload.received_at,
        upload_id=upload.pk,
    )


@contextmanager
def _at_hand(file: _Received) -> Iterator[Path]:
    if file.path is not None:
        yield file.path
        return
    try:
        with storage.at_hand(file.storage_name) as path:
            yield path
    except FileNotFoundError as error:
        raise FileStorageUnavailable from error


def _upload(sent: Sent, caller: Caller) -> "Upload | None":
    if sent.upload_id is not None:
        return get_usable_upload(upload_id=sent.upload_id, caller=caller)
    named = upload_id_of(sent.claimed_url)
    if named is None:
        return None
    try:
        return get_usable_upload(upload_id=named, caller=caller)
    except (UploadNotFound, UploadAlreadyUsed, UploadExpired):
        # Any other address is a claim, whatever it looks like.
        return None


def _claim(sent: Sent, terms: Terms) -> Evidence:
    if not sent.sha256:
        raise ValidationFailed.of("sha256", "required", "An address needs the hash of its file.")
    return Evidence(
        milestone_id=terms.milestone_id,
        received_at=sent.arrived_at,
        claimed_url=sent.claimed_url,
        claimed_sha256=sent.sha256,
    )


def read_picture(path: Path) -> ImageFacts:
    """What a picture says about itself, read in a child process.

    Raises FileTypeNotAllowed, FileUnreadable, ImageTooLarge, and FileReaderUnavailable where the
    fault is not the file's.
    """
    try:
        return pool.read_image(path)
    except ReaderRefusal as refusal:
        raise _PICTURE_REFUSALS[refusal.code] from refusal
    except (ReaderUnavailable, FileNotFoundError) as error:
        raise errors.FileReaderUnavailable from error


def count_pages(path: Path) -> int:
    """How many pages a PDF has, parsed in a child process; what they say is read in a worker.

    Raises PdfEncrypted, FileTooLarge (pages), FileUnreadable, and FileReaderUnavailable where the
    fault is not the file's.
    """
    try:
        return document_reading.count_pages(path)
    except ReaderRefusal as refusal:
        figures = {"limit_pages": MAX_PAGES} if refusal.code is RefusalCode.FILE_TOO_LARGE else {}
        raise _DOCUMENT_REFUSALS[refusal.code](**figures) from refusal
    except (ReaderUnavailable, FileNotFoundError) as error:
        raise errors.FileReaderUnavailable from error


def _refuse_hard(
    findings: tuple[Finding, ...], *, terms: Terms, sha256: str, caller: Caller
) -> None:
    """Refuse a photo with a hard finding, and let the audit trail keep that it was tried.

    The refusal is named after the first hard finding and tells all of them, as far as the caller
    may know the figures.
    """
    hard = [finding for finding in findings if finding.severity is Severity.HARD]
    if not hard:
        return
    entries.record_apart(
        actor=caller.actor,
        action=Action.PROOF_REFUSED,
        subject=f"escrow:{terms.escrow_id}",
        body={
            "milestone_id": terms.milestone_id,
            "sha256": sha256,
            "findings": [
                {"code": finding.code.value, "data": _without_floats(finding.data)}
                for finding in hard
            ],
        },
        on_behalf_of=caller.on_behalf_of,
    )
    _refuse(hard, terms, caller)


def _refuse(hard: list[Finding], terms: Terms, caller: Caller) -> NoReturn:
    relation = relation_of(caller, provider_id=terms.provider_id)
    masked = mask_findings([finding.to_json() for finding in hard], relation, own=True)
    told = worded(masked, language_of(caller.user_id))
    raise errors.REFUSALS[hard[0].code](
        told[0]["message"],
        hint=told[0]["hint"],
        **mask_figures(hard[0].data, relation),
        findings=told,
    )


def _judge(facts: ImageFacts, terms: Terms, received_at: datetime) -> list[Finding]:
    return check_photo(
        facts=facts,
        arrived_at=received_at,
        fence=terms.fence,
        max_age_minutes=terms.max_age_minutes,
        gps_required=terms.gps_required,
    )


def _allowed_types(proof_type: str) -> frozenset[str]:
    if proof_type == ProofType.PHOTO:
        return IMAGES
    if proof_type == ProofType.PDF:
        return frozenset({PDF})
    return IMAGES | {PDF}


def _captured_at(facts: ImageFacts) -> datetime | None:
    window = capture_window(
        taken_at_local=facts.taken_at_local,
        utc_offset=facts.utc_offset,
        gps_time_utc=facts.gps_time_utc,
    )
    return window.earliest if window is not None and window.is_exact else None


def _distance(facts: ImageFacts, terms: Terms) -> Decimal | None:
    position = usable_position(facts.latitude, facts.longitude)
    if terms.fence is None or position is None:
        return None
    return distance_m(fence=terms.fence, latitude=position[0], longitude=position[1])


def _without_floats(data: Any) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, float) else value for name, value in data.items()}
