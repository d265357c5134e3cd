"""Answers for files that are sent ahead of their proof. Registered with kobatela.uploads.hooks."""

from pathlib import Path

from proofs.readers.sniff import sniff
from proofs.services.evidence import IMAGES, count_pages, read_picture


class FileInspection:
    """Knows types by their first bytes, and reads files in child processes."""

    def media_type(self, head: bytes) -> str | None:
        """The media type that the first bytes show, None for what is not accepted."""
        return sniff(head)

    def check_readable(self, path: Path, media_type: str) -> None:
        """Raise FileUnreadable, ImageTooLarge, PdfEncrypted, FileTooLarge (pages) or
        FileReaderUnavailable.

        What a document says is read later, in a worker.
        """
        if media_type in IMAGES:
            read_picture(path)
        else:
            count_pages(path)
