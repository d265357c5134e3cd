"""What of a proof each side may read. Pure: values in, values out."""

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any

MASK = "***masked***"
DISTANCE_STEP_M = 100


class Relation(StrEnum):
    """How a reader stands to a proof."""

    STAFF = "staff"
    SENDER = "sender"
    PROVIDER = "provider"


class Personal(StrEnum):
    """Whose sort of value something in metadata is."""

    NAME = "name"
    EMAIL = "email"
    PHONE = "phone"
    ACCOUNT = "account"


# A caller's metadata may hold any number of them; more than this is nobody's list of people.
MAX_PERSONAL_VALUES = 200
_MAX_PERSONAL_CHARS = 200
# Codes that tell of other parties' proofs, of what a device betrayed, or of the advisor.
_HIDDEN_PREFIXES = ("REUSED_", "AI_")
_HIDDEN_CODES = frozenset({"DEVICE_POSITION_DIFFERS", "IMPOSSIBLE_TRAVEL"})
# Who else sent an invoice, and that anybody did, is for staff alone.
_STAFF_CODES = frozenset({"REUSED_INVOICE_NUMBER"})
STAFF_CHECKS = frozenset({"number_reused"})
# Figures that a provider may read: what the file says, and the age limit that its terms state.
_PROVIDER_FIGURES = frozenset(
    {
        "age_minutes",
        "age_minutes_min",
        "age_minutes_max",
        "max_age_minutes",
        "minutes_ahead",
        "tolerance_minutes",
        "positioning_error_m",
        "field",
        "actual",
        "claimed",
        "retry",
        "attempts",
        "pages",
        "pages_total",
        "pages_read",
    }
)
EMAIL = re.compile(r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9.\-]{1,255}\.[A-Za-z]{2,24}")
_IBAN = re.compile(r"\b[A-Z]{2}[0-9]{2}(?:[ \-]?[A-Z0-9]){10,30}\b", re.IGNORECASE)
# International, local with a leading zero, or groups of figures; not dates, not coordinates.
PHONE = re.compile(
    r"(?<![\w.+])(?:(?:\+|00)[1-9](?:[ .()\-/]{0,2}[0-9]){6,13}"
    r"|0[1-9](?:[ .\-/]?[0-9]){7,9}"
    r"|[1-9][0-9]{0,2}(?: [0-9]{2,4}){3,5})(?![0-9])"
)

# What the keys of metadata call people, in English and in French: without accents, in the singular.
_NAME_WORDS = frozenset({
    "name", "firstname", "lastname", "forename", "surname", "fullname", "familyname", "username",
    "nom", "prenom", "patronyme", "nomcomplet", "identity", "identite", "denomination", "sociale",
    "address", "addresse", "adresse", "artist", "artiste", "author", "auteur", "beneficiary",
    "beneficiaire", "buyer", "acheteur", "acheteuse", "client", "cliente", "contact", "contractor",
    "entrepreneur", "creditor", "creancier", "customer", "debtor", "debiteur", "director",
    "directeur", "directrice", "donor", "donateur", "donatrice", "driver", "chauffeur", "employee",
    "employe", "foreman", "chef", "holder", "titulaire", "interlocuteur", "issuer", "emetteur",
    "landlord", "bailleur", "mandataire", "manager", "gerant", "gerante", "merchant", "commercant",
    "owner", "proprietaire", "payee", "payeur", "person", "personne", "recipient", "destinataire",
    "representative", "representant", "responsible", "responsable", "seller", "vendor", "vendeur",
    "vendeuse", "sender", "expediteur", "signatory", "signer", "signataire", "supervisor",
    "superviseur", "surveillant", "supplier", "fournisseur", "prestataire", "tenant", "locataire",
    "witness", "temoin", "worker", "ouvrier",
})  # fmt: skip
# Things have these too.
_OF_THINGS = frozenset({"name", "nom", "address", "addresse", "adresse", "client"})
_THINGS = frozenset({
    "app", "application", "camera", "device", "appareil", "document", "dossier", "file", "fichier",
    "folder", "image", "model", "modele", "photo", "product", "produit",
})  # fmt: skip
_CONTACT_WORDS = frozenset({
    "email", "mail", "courriel", "mel", "mobile", "portable", "cellulaire", "gsm", "momo", "msisdn",
    "phone", "phonenumber", "tel", "telephone", "fax", "telecopie", "whatsapp",
})  # fmt: skip
# The field, and the end of the names of the checks, that hold an account number.
ACCOUNT = "iban"
_ACCOUNT_VALUES = frozenset({"value", "raw", "expected", "actual", "claimed"})
_ACCOUNT_WORDS = frozenset({
    "account", "accountnumber", "acct", "compte", "bban", "bic", "swift", "card", "carte", "iban",
    "pan", "rib",
})  # fmt: skip
# A report, a map, a part of a camera; and what is only said of an account.
_NOT_AN_ACCOUNT = {
    "compte": frozenset({"rendu"}),
    "carte": frozenset({"geographique", "grise", "lieu", "memoire", "plan", "sd", "site"}),
    "card": frozenset({"memory", "sd"}),
}
_SAID_OF_IT = frozenset({"check", "controle", "country", "match", "pays", "verification"})
_BANKS = frozenset({"bank", "bancaire"})
_BANK_DETAILS = frozenset({"coordonnee", "detail", "identifiant", "number", "numero", "reference"})
_COUNTS = frozenset({"count", "nb", "nombre"})
_NO_PLURALS = frozenset({"address", "pays"})
# These say nothing of their own: what stands above them counts.
_EMPTY_WORDS = frozenset({
    "value", "valeur", "text", "texte", "raw", "full", "complet", "first", "last", "middle",
    "display", "default", "main", "principal", "legal", "label", "libelle", "number", "numero",
    "no", "n", "num", "fr", "en", "list", "liste", "item",
})  # fmt: skip
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def hides(relation: Relation, code: str, *, own: bool) -> bool:
    """Whether a finding or review reason of this code is not said at all.

    `own`: the reader submitted the proof, or stands in for who did.
    """
    if relation is Relation.STAFF:
        return False
    if code in _STAFF_CODES:
        return True
    if relation is Relation.SENDER and not own:
        return False
    return code.startswith(_HIDDEN_PREFIXES) or code in _HIDDEN_CODES


def mask_findings(
    findings: Sequence[Mapping[str, Any]], relation: Relation, *, own: bool
) -> list[dict[str, Any]]:
    """The findings as this reader may see them.

    Staff see all. A sender sees all but whose the matches of a reused picture are. A provider sees
    codes, messages and hints, the photo's own figures, and a distance in whole 100 m only.
    """
    return [
        {**finding, "data": mask_figures(finding.get("data") or {}, relation)}
        for finding in findings
        if not hides(relation, finding["code"], own=own)
    ]


def mask_figures(data: Mapping[str, Any], relation: Relation) -> dict[str, Any]:
    """The figures of one finding as this reader may see them."""
    if relation is Relation.STAFF:
        return dict(data)
    data = _without_account(data) if data.get("field") == ACCOUNT else data
    if relation is Relation.SENDER:
        return {name: value for name, value in data.items() if name != "matches"}
    shown = {name: value for name, value in data.items() if name in _PROVIDER_FIGURES}
    if data.get("distance_m") is not None and "radius_m" in data:
        shown["distance_m"] = coarse_distance_m(data["distance_m"])
    return shown


def mask_fields(
    fields: Mapping[str, Mapping[str, Any]], relation: Relation
) -> dict[str, dict[str, Any]]:
    """The fields of a document as this reader may see them: account numbers by their last four."""
    is_staff = relation is Relation.STAFF
    return {
        name: dict(field) if is_staff or name != ACCOUNT else _without_account(field)
        for name, field in fields.items()
    }


def mask_checks(checks: Sequence[Mapping[str, Any]], relation: Relation) -> list[dict[str, Any]]:
    """The comparisons as this reader may see them; a provider reads no expected value."""
    if relation is Relation.STAFF:
        return [dict(check) for check in checks]
    shown = [
        _without_account(check) if check["name"].endswith(ACCOUNT) else dict(check)
        for check in checks
        if check["name"] not in STAFF_CHECKS
    ]
    if relation is Relation.SENDER:
        return shown
    return [{**check, "expected": None} for check in shown]


def _without_account(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _last_four(value) if name in _ACCOUNT_VALUES and isinstance(value, str) else value
        for name, value in values.items()
    }


def coarse_distance_m(distance_m: float | str | Decimal) -> int:
    """A distance in whole 100 m, upwards, so that it is never said to be nothing."""
    return math.ceil(Decimal(str(distance_m)) / DISTANCE_STEP_M) * DISTANCE_STEP_M


def mask_metadata(value: Any) -> Any:
    """Metadata without names, e-mails, phones and IBANs, wherever they stand in it.

    What its key calls so goes, in English and in French, and what has the form of one.
    """
    return _masked(value, None)


def personal_values(value: Any) -> dict[Personal, set[str]]:
    """What `mask_metadata` takes for names, e-mails, phones and accounts by its key."""
    found: dict[Personal, set[str]] = {kind: set() for kind in Personal}
    for called, text in _called(value, None):
        kind = _kind_of(called, text)
        if kind is not None and len(found[kind]) < MAX_PERSONAL_VALUES:
            found[kind].add(text[:_MAX_PERSONAL_CHARS])
    return found


def _masked(value: Any, called: Personal | None) -> Any:
    if isinstance(value, Mapping):
        return {name: _masked(item, _called_by(str(name), called)) for name, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, called) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if called is None:
        return mask_text(value) if isinstance(value, str) else value
    return _masked_account(str(value)) if called is Personal.ACCOUNT else MASK


def _called(value: Any, called: Personal | None) -> Iterator[tuple[Personal, str]]:
    """The values that are called something, each with what."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _called(item, _called_by(str(name), called))
    elif isinstance(value, list):
        for item in value:
            yield from _called(item, called)
    elif called is not None and value is not None and not isinstance(value, bool):
        yield called, str(value)


def _called_by(key: str, above: Personal | None) -> Personal | None:
    """What a key calls what stands under it; `above` is what it was called so far."""
    words = _words_of(key)
    if words <= _EMPTY_WORDS:
        return above
    if words & _COUNTS:
        return None
    if words & _CONTACT_WORDS:
        return Personal.PHONE
    people = words & _NAME_WORDS
    if people - _OF_THINGS or (people and not words & _THINGS):
        return Personal.NAME
    return Personal.ACCOUNT if _is_account(words) else None


def _is_account(words: set[str]) -> bool:
    if words & _SAID_OF_IT:
        return False
    if words & _BANKS and words & _BANK_DETAILS:
        return True
    return any(
        not words & _NOT_AN_ACCOUNT.get(word, frozenset()) for word in words & _ACCOUNT_WORDS
    )


def _words_of(key: str) -> set[str]:
    """The words of a key, whatever its accents, capitals and figures; plurals as singulars."""
    apart = unicodedata.normalize("NFKD", key)
    plain = "".join(sign for sign in apart if not unicodedata.combining(sign))
    words = {word.lower() for word in _WORDS.findall(plain) if not word.isdecimal()}
    return {word if word in _NO_PLURALS else word.removesuffix("s") for word in words}


def _kind_of(called: Personal, text: str) -> Personal | None:
    """What a value is: a contact, and even a supplier, may be given as a number or an account."""
    if "@" in text:
        return Personal.EMAIL
    if called is Personal.PHONE and not any(sign.isdecimal() for sign in text):
        return Personal.NAME if " " in text.strip() else None
    if called is Personal.NAME and is_iban(text):
        return Personal.ACCOUNT
    is_phone = PHONE.fullmatch(text.strip()) is not None
    # An account may begin with a zero as well.
    if is_phone and (called is Personal.NAME or text.strip().startswith("+")):
        return Personal.PHONE
    return called


def mask_text(text: str) -> str:
    """A text with the e-mails, IBANs and phone numbers in it masked."""
    masked = EMAIL.sub(MASK, text)
    masked = _IBAN.sub(lambda found: _masked_iban(found.group()), masked)
    return PHONE.sub(MASK, masked)


def _masked_account(text: str) -> str:
    """The end of an account; nothing of what may be a name."""
    return _last_four(text) if text.strip()[-4:].isdecimal() or is_iban(text) else MASK


def _masked_iban(text: str) -> str:
    # The words after an IBAN look like a part of it: the longest beginning that is one counts.
    words = text.split(" ")
    for count in range(len(words), 0, -1):
        beginning = " ".join(words[:count])
        if is_iban(beginning):
            return _last_four(beginning) + text[len(beginning) :]
    return text


def is_iban(text: str) -> bool:
    """Whether the check digits of an IBAN (ISO 13616, mod 97) hold."""
    plain = re.sub(r"[ \-]", "", text).upper()
    if not plain.isascii() or not plain.isalnum() or not 15 <= len(plain) <= 34:
        return False
    rearranged = plain[4:] + plain[:4]
    return int("".join(str(int(character, 36)) for character in rearranged)) % 97 == 1


def _last_four(text: str) -> str:
    plain = re.sub(r"[ \-]", "", text)
    return "***" + plain[-4:] if len(plain) > 8 else "***"
