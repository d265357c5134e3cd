"""Refusals of files as such; what a picture says is judged elsewhere."""

from kobatela.kernel.errors import DomainError, Kind


class FileTooLarge(DomainError):
    """More bytes than a file of its type may have; `details.limit_bytes` tells the limit."""

    code = "FILE_TOO_LARGE"
    kind = Kind.TOO_LARGE
    message = "The file is larger than files of its type may be."


class FileTypeNotAllowed(DomainError):
    """The bytes are of a type that is not accepted here, whatever the name says."""

    code = "FILE_TYPE_NOT_ALLOWED"
    kind = Kind.UNSUPPORTED_TYPE
    message = "This type of file is not accepted."


class UploadNotFound(DomainError):
    """No such upload that the caller may use."""

    code = "UPLOAD_NOT_FOUND"
    kind = Kind.NOT_FOUND
    message = "There is no such upload."


class UploadAlreadyUsed(DomainError):
    """The upload was given to another command before. Each can be used once."""

    code = "UPLOAD_ALREADY_USED"
    kind = Kind.CONFLICT
    message = "This upload was used before; send the file again."


class UploadExpired(DomainError):
    """The upload was not used within its time."""

    code = "UPLOAD_EXPIRED"
    kind = Kind.CONFLICT
    message = "This upload was not used in time; send the file again."


class FileStorageUnavailable(DomainError):
    """Files can be neither kept nor fetched at the moment. It says nothing about the file."""

    code = "FILE_STORAGE_UNAVAILABLE"
    kind = Kind.UNAVAILABLE
    message = "Files cannot be stored or fetched at the moment; try again."
    passing = True
    retry_after_s = 30
