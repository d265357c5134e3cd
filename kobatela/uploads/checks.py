"""System checks of uploads."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from kobatela.kernel.safe_urls import is_safe_url
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


def check_storage(**kwargs: Any) -> list[CheckMessage]:
    """A bucket can be asked: it has a name, and whoever asks has a key or a role."""
    if settings.KOBATELA_FILES_STORAGE != "s3":
        return []
    endpoint = settings.KOBATELA_S3_ENDPOINT_URL
    needed = ["KOBATELA_S3_BUCKET"]
    if not endpoint:
        needed.append("KOBATELA_S3_REGION")
    if endpoint or settings.KOBATELA_S3_ACCESS_KEY_ID or settings.KOBATELA_S3_SECRET_ACCESS_KEY:
        needed += ["KOBATELA_S3_ACCESS_KEY_ID", "KOBATELA_S3_SECRET_ACCESS_KEY"]
    found: list[CheckMessage] = [
        Error(f"KOBATELA_FILES_STORAGE is s3 and {name} is not set.", id="uploads.E003")
        for name in needed
        if not getattr(settings, name)
    ]
    if endpoint and not is_safe_url(endpoint):
        message = "KOBATELA_S3_ENDPOINT_URL must be an https:// address; http:// only outside"
        found.append(Error(f"{message} production.", id="uploads.E004"))
    return found
