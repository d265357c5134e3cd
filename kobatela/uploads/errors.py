"""Refusals of files as such; what a picture says is judged elsewhere."""

from typing import Any, ClassVar

from kobatela.kernel.errors import DomainError, Kind

FRENCH = "fr"


class FileRefused(DomainError):
    """A refusal of something that a person sent, who is told what to do about it.

    Subclasses set `message` and `hint` in English and `french`, both of them in French; the hint is
    `details.hint`. Figures stand in other details, so that the words fit in every language.
    """

    hint: ClassVar[str]
    french: ClassVar[tuple[str, str]]

    def __init__(self, message: str | None = None, **details: Any) -> None:
        super().__init__(message, **{"hint": self.hint, **details})

    def tell_in(self, language: str) -> None:
        """Put message and hint into this language; English where there is no other."""
        if language == FRENCH:
            self.message, self.details["hint"] = self.french


class FileTooLarge(FileRefused):
    """More bytes than a file of its type may have; `details.limit_bytes` tells the limit."""

    code = "FILE_TOO_LARGE"
    kind = Kind.TOO_LARGE
    message = "The file is larger than files of its type may be."
    hint = "Send it with a smaller picture size or a lower quality, or send fewer pages."
    french = (
        "Le fichier est plus lourd que ce qui est permis pour son type.",
        "Choisissez une taille d'image ou une qualité plus basse, ou envoyez moins de pages.",
    )


class FileTypeNotAllowed(FileRefused):
    """The bytes are of a type that is not accepted here, whatever the name says."""

    code = "FILE_TYPE_NOT_ALLOWED"
    kind = Kind.UNSUPPORTED_TYPE
    message = "This type of file is not accepted."
    hint = "Send a photo as JPEG, PNG, WebP or HEIC, a document also as PDF."
    french = (
        "Ce type de fichier n'est pas accepté.",
        "Envoyez une photo en JPEG, PNG, WebP ou HEIC, un document aussi en PDF.",
    )


class UploadNotFound(DomainError):
    """No such upload that the caller may use."""

    code = "UPLOAD_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such upload."


class UploadAlreadyUsed(FileRefused):
    """The upload was given to another command before. Each can be used once."""

    code = "UPLOAD_ALREADY_USED"
    kind = Kind.CONFLICT
    message = "This upload was used before; send the file again."
    hint = "Send the file again and name the new upload."
    french = (
        "Ce fichier envoyé d'avance a déjà servi.",
        "Envoyez-le de nouveau et nommez le nouvel envoi.",
    )


class UploadExpired(FileRefused):
    """The upload was not used within its time."""

    code = "UPLOAD_EXPIRED"
    kind = Kind.CONFLICT
    message = "This upload was not used in time; send the file again."
    hint = "Send the file again and use it within a day."
    french = (
        "Ce fichier envoyé d'avance n'a pas servi à temps.",
        "Envoyez-le de nouveau et utilisez-le dans la journée.",
    )


class FileStorageUnavailable(FileRefused):
    """Files can be neither kept nor fetched at the moment. It says nothing about the file."""

    code = "FILE_STORAGE_UNAVAILABLE"
    kind = Kind.UNAVAILABLE
    message = "Files cannot be stored or fetched at the moment; try again."
    hint = "Nothing was kept. Wait a little and send it again."
    french = (
        "Les fichiers ne peuvent être ni gardés ni rendus pour le moment.",
        "Rien n'a été gardé. Attendez un peu et recommencez.",
    )
    passing = True
    retry_after_s = 30
