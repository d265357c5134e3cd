"""System checks of uploads."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from kobatela.uploads import hooks


def check_inspector(**kwargs: Any) -> list[CheckMessage]:
    """Files cannot be judged without an inspector."""
    if hooks.has_file_inspector():
        return []
    return [
        Error("No file inspector is registered with kobatela.uploads.hooks.", id="uploads.E001")
    ]


def check_limits(**kwargs: Any) -> list[CheckMessage]:
    """A limit of one type cannot be above the limit of all."""
    if 0 < settings.KOBATELA_FILE_MAX_IMAGE_BYTES <= settings.KOBATELA_FILE_MAX_BYTES:
        return []
    return [
        Error(
            "KOBATELA_FILE_MAX_IMAGE_BYTES must be above 0 and at most KOBATELA_FILE_MAX_BYTES.",
            id="uploads.E002",
        )
    ]
