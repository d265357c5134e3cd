"""Refusals of proofs and decisions."""

from kobatela.kernel.errors import DomainError, Kind
from kobatela.uploads.errors import FileRefused, FileTooLarge


class ProofNotFound(DomainError):
    """No such proof that the caller may see."""

    code = "PROOF_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such proof."


class ProofFileNotFound(DomainError):
    """The proof is a claim without a file."""

    code = "PROOF_FILE_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "This proof has no file."


class NoDocument(DomainError):
    """There is no such proof, or it has no document that could be read."""

    code = "NO_DOCUMENT"
    kind = Kind.NOT_FOUND
    message = "There is no document of such a proof."


# --- What is sent ---------------------------------------------------------------------------------


class ProofTypeMismatch(FileRefused):
    """The milestone asks for another kind of proof."""

    code = "PROOF_TYPE_MISMATCH"
    kind = Kind.INVALID
    message = "The milestone asks for another kind of proof."
    hint = "Send what the milestone asks for; `details.wanted` names it."
    french = (
        "L'étape demande une autre sorte de preuve.",
        "Envoyez ce que l'étape demande ; `details.wanted` le nomme.",
    )


class Sha256Mismatch(FileRefused):
    """The bytes that arrived are not those that the caller meant to send."""

    code = "SHA256_MISMATCH"
    kind = Kind.INVALID
    message = "The file that arrived does not have the SHA-256 that was sent with it."
    hint = "It changed on its way: send it again, or leave out the hash."
    french = (
        "Le fichier reçu n'a pas l'empreinte SHA-256 envoyée avec lui.",
        "Il a changé en chemin : envoyez-le de nouveau, ou sans l'empreinte.",
    )


class DuplicateProof(FileRefused):
    """The same bytes are in a live proof that the caller may see; `details.proof_id` names it."""

    code = "DUPLICATE_PROOF"
    kind = Kind.CONFLICT
    message = "This file was submitted before."
    hint = "Send another one; `details.proof_id` names the earlier proof."
    french = (
        "Ce fichier a déjà été envoyé.",
        "Envoyez-en un autre ; `details.proof_id` nomme la preuve d'avant.",
    )


class FileUnreadable(FileRefused):
    """Damaged, cut short, or not what its first bytes promise."""

    code = "FILE_UNREADABLE"
    kind = Kind.INVALID
    message = "The file is damaged or incomplete and cannot be read."
    hint = "Send it again; if it is refused once more, take a new photo."
    french = (
        "Le fichier est endommagé ou incomplet et ne peut pas être lu.",
        "Envoyez-le de nouveau ; s'il est encore refusé, prenez une nouvelle photo.",
    )


class DocumentUnreadable(FileUnreadable):
    """As FILE_UNREADABLE, of a document: nobody takes a new photo of one."""

    message = "The document is damaged or incomplete and cannot be read."
    hint = "Export or scan it once more and send the new file."
    french = (
        "Le document est endommagé ou incomplet et ne peut pas être lu.",
        "Exportez-le ou numérisez-le encore une fois et envoyez le nouveau fichier.",
    )


class TooManyPages(FileTooLarge):
    """More pages than one proof may have; `details.limit_pages` tells the limit."""

    message = "The document has more pages than one proof may have."
    hint = "Send the pages that matter as a document of their own."
    french = (
        "Le document a plus de pages qu'une preuve ne peut en avoir.",
        "Envoyez les pages qui comptent comme un document à part.",
    )


class ImageTooLarge(FileRefused):
    """More than 50 megapixels."""

    code = "IMAGE_TOO_LARGE"
    kind = Kind.INVALID
    message = "The picture has more than 50 megapixels or needs too much memory."
    hint = "Set the camera to a smaller picture size and take a new photo."
    french = (
        "L'image a plus de 50 mégapixels ou demande trop de mémoire.",
        "Réglez l'appareil sur une taille d'image plus petite et reprenez la photo.",
    )


class PdfEncrypted(FileRefused):
    """A PDF that asks for a password."""

    code = "PDF_ENCRYPTED"
    kind = Kind.INVALID
    message = "The document is protected by a password."
    hint = "Save it without a password and send that file."
    french = (
        "Le document est protégé par un mot de passe.",
        "Enregistrez-le sans mot de passe et envoyez ce fichier.",
    )


class FileReaderUnavailable(FileRefused):
    """Files cannot be read here at the moment. It says nothing about the file."""

    code = "FILE_READER_UNAVAILABLE"
    kind = Kind.UNAVAILABLE
    message = "Files cannot be read at the moment; try again."
    hint = "Nothing was kept. Wait a little and send it again."
    french = (
        "Les fichiers ne peuvent pas être lus pour le moment.",
        "Rien n'a été gardé. Attendez un peu et renvoyez-le.",
    )
    passing = True
    retry_after_s = 30


class EvidenceRefused(DomainError):
    """A photo that breaks a rule of its milestone. `details` has the figures and a hint."""

    kind = Kind.INVALID


class MissingExifTimestamp(EvidenceRefused):
    """No usable capture time."""

    code = "MISSING_EXIF_TIMESTAMP"
    message = "The photo does not say when it was taken."


class StaleTimestamp(EvidenceRefused):
    """Older than the milestone allows."""

    code = "STALE_TIMESTAMP"
    message = "The photo is older than this milestone allows."


class FutureTimestamp(EvidenceRefused):
    """Taken later than now."""

    code = "FUTURE_TIMESTAMP"
    message = "The photo's time lies in the future."


class MissingGps(EvidenceRefused):
    """No usable position where the milestone requires one."""

    code = "MISSING_GPS"
    message = "The photo does not say where it was taken."


class GeofenceViolation(EvidenceRefused):
    """Taken outside the milestone's circle."""

    code = "GEOFENCE_VIOLATION"
    message = "The photo was taken outside the agreed place."


REFUSALS: dict[str, type[EvidenceRefused]] = {
    refusal.code: refusal
    for refusal in (
        MissingExifTimestamp,
        StaleTimestamp,
        FutureTimestamp,
        MissingGps,
        GeofenceViolation,
    )
}


# --- What is decided ------------------------------------------------------------------------------


class ProofProcessing(DomainError):
    """The machine is not done with it; nobody decides before, for 10 minutes at most."""

    code = "PROOF_PROCESSING"
    kind = Kind.CONFLICT
    message = "This proof is still being processed."
    passing = True
    retry_after_s = 5


class ProofAlreadyApproved(DomainError):
    """Approved is final."""

    code = "PROOF_ALREADY_APPROVED"
    kind = Kind.CONFLICT
    message = "This proof was approved."


class ProofAlreadyRejected(DomainError):
    """Rejected is final; a new proof may be sent."""

    code = "PROOF_ALREADY_REJECTED"
    kind = Kind.CONFLICT
    message = "This proof was rejected."


class DecisionNoteRequired(DomainError):
    """A rejection, and an approval against a missing file or a failed check, must say why."""

    code = "DECISION_NOTE_REQUIRED"
    kind = Kind.MALFORMED
    message = "This decision needs a note that says why."


class AiReviewNoteRequired(DomainError):
    """An approval against the advisor's warning must say why."""

    code = "AI_REVIEW_NOTE_REQUIRED"
    kind = Kind.MALFORMED
    message = "Approving against the advisor's warning needs a note that says why."


class NotTheValidator(DomainError):
    """A sender decides only the milestones whose validator is SENDER."""

    code = "INSUFFICIENT_SCOPE"
    kind = Kind.FORBIDDEN
    message = "Support decides the proofs of this milestone."


class OwnProofForbidden(DomainError):
    """Nobody decides what they submitted, or where they are a party."""

    code = "OWN_PROOF_FORBIDDEN"
    kind = Kind.FORBIDDEN
    message = (
        "Nobody decides a proof that they submitted or of an escrow in which they are a party."
    )
