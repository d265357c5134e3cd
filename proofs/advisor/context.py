"""What the model is told of one proof: three blocks, classed field by field and masked."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from proofs.advisor.classes import DROP, MASK, TABLE, WHOLLY_PERSONAL
from proofs.advisor.folding import fold
from proofs.advisor.known import Kind, KnownValues
from proofs.advisor.masking import Masker

MAX_TEXT_CHARS = 8_000
MAX_SHORT_CHARS = 500
MAX_ITEMS = 50
# What numbers, dates, codes and words from our own lists look like.
_PLAIN = re.compile(r"[A-Za-z0-9_.:+\-/]{0,40}")
_INJECTION = re.compile(
    r"ignor\w{0,5} (?:\w{1,20} ){0,4}(?:instructions?|consignes?|rules?|regles?)"
    r"|(?:disregard|forget|oublie\w{0,3}) (?:\w{1,20} ){0,4}(?:instructions?|consignes?|above)"
    r"|(?:system|developer) (?:prompt|message|mode)|jailbreak|prompt systeme"
    r"|<\|?/?(?:system|assistant|user|im_start|im_end)\b|\[/?inst\]"
    r"|risk_level|\"?score\"?\s*[:=]\s*[01]"
    r"|(?:respond|answer|reply|output|reponds|repondez) (?:\w{1,20} ){0,4}(?:clean|json|approved?)"
    r"|you (?:are|must|should) (?:now |please )?(?:an? )?"
    r"(?:ai|assistant|approve|mark|answer|output)"
    r"|(?:approve|validate|approuve[rz]?|valide[rz]?) (?:this|the|ce|cet|cette|la|le) "
    r"(?:proof|payment|photo|document|invoice|preuve|paiement|facture)"
    r"|(?:note|message|instruction)s? (?:to|for|a|pour) (?:the |l'?)?"
    r"(?:ai|ia|llm|model|assistant)\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mandate:
    """What was agreed for the milestone. amount is a decimal text in currency."""

    milestone_number: int
    milestone_label: str
    proof_kind: str
    amount: str
    currency: str
    max_age_minutes: int | None
    geofence_radius_m: str | None
    requirements: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """What the machine found. findings and checks are as they are stored."""

    findings: Sequence[Mapping[str, Any]]
    checks: Sequence[Mapping[str, Any]]
    distance_m: str | None
    waits_for_person: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """What was sent. image are the facts of a picture, reading those of a document, as stored.

    picture is a small JPEG without metadata; only photos have one, for what stands in the picture
    of a document cannot be masked.
    """

    proof_type: str
    media_type: str
    received_at: datetime
    image: Mapping[str, Any] | None = None
    reading: Mapping[str, Any] | None = None
    picture: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Everything that one piece of advice is made of, and what of it must not leave."""

    mandate: Mandate
    backend: Backend
    exhibit: Exhibit
    known: KnownValues


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What may be sent: blocks by name as JSON texts, and the picture.

    looks_like_injection: whether something in it seems to be written for the model.
    """

    blocks: Mapping[str, str]
    picture: bytes | None
    looks_like_injection: bool


def make_context(material: Material) -> Context:
    """Class, mask and cap everything. What is in no class is dropped."""
    masker = Masker(material.known)
    mandate, backend, exhibit = (
        _own(part) for part in (material.mandate, material.backend, material.exhibit)
    )
    picture = exhibit.pop("picture", None)
    blocks = {
        "mandate": _mandate(mandate, masker),
        "backend_checks": _backend(backend, masker),
        "document": _exhibit(exhibit, masker),
    }
    texts = {name: json.dumps(block, ensure_ascii=False) for name, block in blocks.items()}
    return Context(
        blocks=texts,
        picture=picture,
        looks_like_injection=any(
            _INJECTION.search(fold(text).text)
            for part in (mandate, backend, exhibit)
            for text in _texts(part)
        ),
    )


def _own(part: Mandate | Backend | Exhibit) -> dict[str, Any]:
    return {field.name: getattr(part, field.name) for field in fields(part)}


def _mandate(given: Mapping[str, Any], masker: Masker) -> dict[str, Any]:
    wanted = given["requirements"]
    return _classed("mandate", given, masker) | {
        "requirements": _classed("requirement", wanted, masker)
    }


def _backend(given: Mapping[str, Any], masker: Masker) -> dict[str, Any]:
    return _classed("backend", given, masker) | {
        "findings": [
            _classed("finding", finding, masker)
            | {"data": _classed("finding_data", finding.get("data") or {}, masker)}
            for finding in given["findings"][:MAX_ITEMS]
        ],
        "checks": [_classed("check", check, masker) for check in given["checks"][:MAX_ITEMS]],
    }


def _exhibit(given: Mapping[str, Any], masker: Masker) -> dict[str, Any]:
    kept = _classed("evidence", given, masker)
    if given["image"] is not None:
        kept["image"] = _classed("image", given["image"], masker)
    if given["reading"] is not None:
        kept["reading"] = _reading(given["reading"], masker)
    return kept


def _reading(reading: Mapping[str, Any], masker: Masker) -> dict[str, Any]:
    kept = _classed("reading", reading, masker, at_most=MAX_TEXT_CHARS)
    for name in ("fields", "xml_fields"):
        found = list((reading.get(name) or {}).values())[:MAX_ITEMS]
        kept[name] = [_field(field, masker) for field in found]
    notes = list(reading.get("notes") or ())[:MAX_ITEMS]
    kept["notes"] = [_classed("note", note, masker) for note in notes]
    return kept


def _field(field: Mapping[str, Any], masker: Masker) -> dict[str, Any]:
    kept = _classed("field", field, masker)
    name = str(field.get("name"))
    value = _classed("field_value", {name: field.get("value")}, masker)
    kept.pop("value", None)
    return kept | ({"value": value[name]} if name in value else {})


def _classed(
    source: str, given: Mapping[str, Any], masker: Masker, *, at_most: int = MAX_SHORT_CHARS
) -> dict[str, Any]:
    """The fields of one source that may leave, as they may leave."""
    handlings = TABLE[source]
    kept: dict[str, Any] = {}
    for name, value in given.items():
        handling = handlings.get(name, DROP)
        if handling is DROP or isinstance(value, Mapping | list | tuple):
            # Whole structures are put in by whoever classes what is in them.
            continue
        kind = WHOLLY_PERSONAL.get((source, name))
        if handling is MASK:
            kept[name] = _masked(value, kind, masker, at_most)
        else:
            kept[name] = _sent(value, lambda text: _masked(text, None, masker, at_most))
    return kept


def _masked(value: Any, kind: Kind | None, masker: Masker, at_most: int) -> Any:
    if value is None:
        return None
    text = str(value)
    # Masked first and then cut, so that no half of an account is taken for a number.
    return masker.text(text)[:at_most] if kind is None else masker.whole(kind, text)


def _sent(value: Any, mask: Callable[[str], Any]) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return text if _PLAIN.fullmatch(text) else mask(text)


def _texts(value: Any) -> Sequence[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in _texts(item)]
    return []
