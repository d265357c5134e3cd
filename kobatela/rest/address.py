"""The address a request came from."""

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request


def client_address(request: HttpRequest | Request) -> str:
    """The client's address.

    Behind KOBATELA_TRUSTED_PROXIES proxies (default 0) it is the entry that the outermost of
    them added to X-Forwarded-For; what a client writes in front of it is never believed.
    """
    meta = request.META
    proxies: int = settings.KOBATELA_TRUSTED_PROXIES
    if proxies:
        hops = [hop.strip() for hop in meta.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        if len(hops) >= proxies and hops[-proxies]:
            return str(hops[-proxies])
    return str(meta.get("REMOTE_ADDR", ""))
