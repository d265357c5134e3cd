"""Whether an address may be trusted with what this installation sends there."""

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings


def is_safe_url(url: str) -> bool:
    """Whether what is sent there cannot be read on the way.

    Outside production any http:// or https:// address; in production https://, or this machine.
    """
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        return False
    if parts.scheme == "https" or settings.KOBATELA_ENV != "production":
        return True
    try:
        return ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return parts.hostname == "localhost"
