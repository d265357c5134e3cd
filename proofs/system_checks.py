"""System checks of proofs: limits that cannot be meant stop the start."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from kobatela.kernel.safe_urls import is_safe_url
from proofs.readers.documents.facts import MAX_PAGES


def check_review_sample(**_kwargs: Any) -> list[CheckMessage]:
    """The drawn share is a share."""
    if 0 <= settings.KOBATELA_REVIEW_SAMPLE <= 1:
        return []
    return [Error("KOBATELA_REVIEW_SAMPLE must lie between 0 and 1.", id="proofs.E001")]


def check_day_limits(**_kwargs: Any) -> list[CheckMessage]:
    """A day that is full with the first photo of the largest amount was not meant."""
    days = settings.KOBATELA_AUTO_APPROVE_DAY_MAX_MINOR
    small = [
        currency
        for currency, amount_minor in settings.KOBATELA_AUTO_APPROVE_MAX_MINOR.items()
        if days.get(currency, 0) < amount_minor
    ]
    if not small:
        return []
    return [
        Error(
            f"KOBATELA_AUTO_APPROVE_DAY_MAX is below KOBATELA_AUTO_APPROVE_MAX for {small}.",
            id="proofs.E002",
        )
    ]


def check_advisor(**_kwargs: Any) -> list[CheckMessage]:
    """An advisor that is on can be asked."""
    if not settings.AI_PROOF_ADVISOR_ENABLED:
        return []
    found: list[CheckMessage] = []
    if not settings.OPENAI_API_KEY.strip():
        message = "AI_PROOF_ADVISOR_ENABLED is on and OPENAI_API_KEY is not set."
        hint = "Set the key, or turn the advisor off."
        found.append(Error(message, hint=hint, id="proofs.E003"))
    if not is_safe_url(settings.AI_BASE_URL):
        message = "AI_BASE_URL must be an https:// address; http:// only outside production."
        found.append(Error(message, id="proofs.E004"))
    if not 1 <= settings.AI_PROOF_TIMEOUT_SECONDS <= MAX_TIMEOUT_S:
        # Three tries must end long before a proof is given to a person without advice.
        message = f"AI_PROOF_TIMEOUT_SECONDS must lie between 1 and {MAX_TIMEOUT_S}."
        found.append(Error(message, id="proofs.E005"))
    too_small = [name for name in _AT_LEAST_ONE if getattr(settings, name) < 1]
    if too_small or not settings.AI_PROOF_ADVISOR_MODEL:
        names = ", ".join(too_small) or "AI_PROOF_ADVISOR_MODEL"
        found.append(Error(f"With the advisor on {names} must be set.", id="proofs.E006"))
    return found


MAX_TIMEOUT_S = 60
_AT_LEAST_ONE = (
    "AI_PROOF_MAX_IMAGE_RESOLUTION_X",
    "AI_PROOF_MAX_IMAGE_RESOLUTION_Y",
    "AI_PROOF_MAX_PDF_PAGES",
    "AI_BREAKER_FAILURES",
    "AI_BREAKER_OPEN_SECONDS",
)


def check_ocr_pages(**_kwargs: Any) -> list[CheckMessage]:
    """No document has more pages than can be stored; to read none, choose the engine `none`."""
    if 1 <= settings.OCR_MAX_PAGES <= MAX_PAGES:
        return []
    message = f"OCR_MAX_PAGES must lie between 1 and {MAX_PAGES}."
    return [Error(message, hint="INVOICE_OCR_PROVIDER=none reads no pictures.", id="proofs.E007")]
