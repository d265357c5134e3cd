"""What uploads asks of the floor above: what a file is, and whether it can be read."""

from pathlib import Path
from typing import Protocol


class FileInspector(Protocol):
    """Knows the types of files; the only handler of these questions."""

    def media_type(self, head: bytes) -> str | None:
        """Give the media type that the first bytes show, None for what is not accepted."""

    def check_readable(self, path: Path, media_type: str) -> None:
        """Raise a DomainError unless the file at `path` can be read as what it claims to be."""


_inspector: FileInspector | None = None


def register_file_inspector(inspector: FileInspector) -> None:
    """Make `inspector` the one that answers. Called once, while the installation starts."""
    global _inspector  # noqa: PLW0603 - exactly one handler per installation
    _inspector = inspector


def has_file_inspector() -> bool:
    """Whether somebody answers; a system check stops the start otherwise."""
    return _inspector is not None


def file_inspector() -> FileInspector:
    """The registered inspector. Raises RuntimeError when there is none."""
    if _inspector is None:
        raise RuntimeError("No file inspector is registered.")
    return _inspector
