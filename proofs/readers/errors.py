"""Why a file could not be read."""

from enum import StrEnum


class RefusalCode(StrEnum):
    """Every code with which a reader refuses a file."""

    FILE_TOO_LARGE = "FILE_TOO_LARGE"
    FILE_TYPE_NOT_ALLOWED = "FILE_TYPE_NOT_ALLOWED"
    FILE_UNREADABLE = "FILE_UNREADABLE"
    IMAGE_TOO_LARGE = "IMAGE_TOO_LARGE"
    PDF_ENCRYPTED = "PDF_ENCRYPTED"


class ReaderRefusal(Exception):
    """This file cannot be evidence; another file may be. `hint` says what its sender can do."""

    def __init__(self, code: RefusalCode, message: str, hint: str) -> None:
        """Keep the three parts for whoever answers the sender."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class ReaderUnavailable(Exception):
    """Reading does not work here at all: a child does not start, or its output cannot be stored.

    It says nothing about the file. Whoever runs the installation has to look.
    """


def type_not_allowed() -> ReaderRefusal:
    """Give the refusal of a file of a type that nobody here reads."""
    return ReaderRefusal(
        RefusalCode.FILE_TYPE_NOT_ALLOWED,
        "This type of file is not accepted.",
        "Send a photo as JPEG, PNG, WebP or HEIC.",
    )


def unreadable() -> ReaderRefusal:
    """Give the refusal of a file that is damaged or not what it claims to be."""
    return ReaderRefusal(
        RefusalCode.FILE_UNREADABLE,
        "The file is damaged or incomplete and cannot be read.",
        "Send it again; if it is refused once more, take a new photo.",
    )


def image_too_large() -> ReaderRefusal:
    """Give the refusal of a picture that would take more memory than one picture may."""
    return ReaderRefusal(
        RefusalCode.IMAGE_TOO_LARGE,
        "The picture has more than 50 megapixels or needs too much memory.",
        "Set the camera to a smaller picture size and take a new photo.",
    )


def document_unreadable() -> ReaderRefusal:
    """Give the refusal of a document that is damaged or not what it claims to be."""
    return ReaderRefusal(
        RefusalCode.FILE_UNREADABLE,
        "The document is damaged or incomplete and cannot be read.",
        "Export or scan it once more and send the new file.",
    )


def pdf_encrypted() -> ReaderRefusal:
    """Give the refusal of a PDF that opens with a password only."""
    return ReaderRefusal(
        RefusalCode.PDF_ENCRYPTED,
        "The document is protected by a password.",
        "Save it without a password and send that file.",
    )


def too_many_pages(limit: int) -> ReaderRefusal:
    """Give the refusal of a document with more pages than one proof may have."""
    return ReaderRefusal(
        RefusalCode.FILE_TOO_LARGE,
        f"The document has more than {limit} pages.",
        "Send the pages that matter as a document of their own.",
    )
