"""Who reads what of a proof."""

import unicodedata
from typing import Any

import pytest

from proofs.masking import (
    MASK,
    Personal,
    Relation,
    coarse_distance_m,
    hides,
    is_iban,
    mask_findings,
    mask_metadata,
    mask_text,
    personal_values,
)

FENCE: dict[str, Any] = {
    "code": "GEOFENCE_UNCERTAIN",
    "severity": "soft",
    "message": "The photo's position is too vague.",
    "hint": "Wait for a good position.",
    "data": {"distance_m": 149.3, "radius_m": 200.0, "positioning_error_m": 65.0, "method": "m"},
}
REUSED: dict[str, Any] = {
    "code": "REUSED_IMAGE",
    "severity": "soft",
    "message": "Nearly the same.",
    "hint": "Send a new photo.",
    "data": {"matches": [{"reference": 7, "distance_bits": 3}], "threshold_bits": 31},
}
STALE: dict[str, Any] = {
    "code": "STALE_TIMESTAMP",
    "severity": "hard",
    "message": "Too old.",
    "hint": "Take a new one.",
    "data": {"age_minutes": 130.5, "max_age_minutes": 120},
}


def test_staff_see_every_finding_whole() -> None:
    assert mask_findings([FENCE, REUSED], Relation.STAFF, own=False) == [FENCE, REUSED]


def test_a_provider_sees_codes_and_hints_and_a_coarse_distance_but_no_radius() -> None:
    (finding,) = mask_findings([FENCE], Relation.PROVIDER, own=True)

    assert finding["code"] == "GEOFENCE_UNCERTAIN"
    assert finding["hint"] == "Wait for a good position."
    assert finding["data"] == {"distance_m": 200, "positioning_error_m": 65.0}


def test_a_provider_sees_the_age_of_the_own_photo() -> None:
    (finding,) = mask_findings([STALE], Relation.PROVIDER, own=True)

    assert finding["data"] == {"age_minutes": 130.5, "max_age_minutes": 120}


def test_a_provider_never_hears_of_reuse() -> None:
    assert mask_findings([REUSED], Relation.PROVIDER, own=False) == []


def test_a_sender_hears_of_reuse_but_not_of_whose_it_is() -> None:
    (finding,) = mask_findings([REUSED], Relation.SENDER, own=False)

    assert finding["data"] == {"threshold_bits": 31}


def test_a_sender_who_submitted_the_proof_does_not_hear_of_reuse() -> None:
    assert mask_findings([REUSED], Relation.SENDER, own=True) == []


@pytest.mark.parametrize(
    "code",
    [
        "REUSED_FILE",
        "REUSED_IMAGE",
        "REUSED_SHOT",
        "IMPOSSIBLE_TRAVEL",
        "DEVICE_POSITION_DIFFERS",
        "AI_UNAVAILABLE",
        "AI_ADVICE",
    ],
)
def test_reasons_that_are_staffs_are_hidden_from_the_provider_only(code: str) -> None:
    assert hides(Relation.PROVIDER, code, own=True)
    assert not hides(Relation.SENDER, code, own=False)
    assert not hides(Relation.STAFF, code, own=False)


@pytest.mark.parametrize(
    ("metres", "said"), [(0.001, 100), (100, 100), (100.001, 200), ("1234.5", 1300), (0, 0)]
)
def test_a_distance_is_said_in_whole_hundreds_upwards(metres: float | str, said: int) -> None:
    assert coarse_distance_m(metres) == said


def test_names_contacts_and_accounts_are_masked_wherever_they_stand() -> None:
    masked = mask_metadata(
        {
            "beneficiary_name": "Awa Diop",
            "supplierAddress": "12 rue X",
            "contact": {"email": "awa@example.org", "phone": "+221 77 123 45 67"},
            "iban": "FR76 3000 6000 0112 3456 7890 189",
            "notes": ["write to awa@example.org or call 06 12 34 56 78"],
            "deep": [{"account_holder": "Awa"}],
        }
    )

    assert masked == {
        "beneficiary_name": MASK,
        "supplierAddress": MASK,
        "contact": {"email": MASK, "phone": MASK},
        "iban": "***0189",
        "notes": [f"write to {MASK} or call {MASK}"],
        "deep": [{"account_holder": MASK}],
    }


_PAIRS = {
    Personal.NAME: [
        ("name", "nom"), ("first_name", "prénom"), ("account_holder", "titulaire du compte"),
        ("beneficiary", "Bénéficiaire"), ("suppliers", "fournisseurs"),
        ("recipient", "destinataire"),
        ("signatory", "signataire"), ("manager", "gérante"),
        ("responsible", "responsable_chantier"),
        ("contact", "personneContact"), ("ownerOfDevice", "propriétaireAppareil"),
        ("fileAuthor", "auteur_du_fichier"), ("legal_identity", "raison sociale"),
        ("supplierAddress", "ADRESSE_FOURNISSEUR"), ("account_name", "nom_du_compte"),
    ],
    Personal.PHONE: [
        ("phone", "téléphone"), ("mobile", "portable"), ("phone numbers", "N° de tél."),
        ("supplierPhone", "telFournisseur"),
    ],
    Personal.EMAIL: [("e-mail", "courriel"), ("mail", "adresse mail"), ("contact", "contact")],
    Personal.ACCOUNT: [
        ("account", "compte"), ("account_number_2", "numéro-compte-2"), ("iban", "RIB"),
        ("bank number", "coordonnées bancaires"), ("creditCard", "carteDeCrédit"),
    ],
}  # fmt: skip
_VALUES = {
    Personal.NAME: ("Moussa Fall", MASK),
    Personal.PHONE: ("771234567", MASK),
    Personal.EMAIL: ("awa@example.org", MASK),
    Personal.ACCOUNT: ("0123456789012345", "***2345"),
}


@pytest.mark.parametrize(
    ("key", "kind"),
    [(key, kind) for kind, pairs in _PAIRS.items() for pair in pairs for key in pair],
)
def test_what_is_masked_in_english_is_masked_in_french(key: str, kind: Personal) -> None:
    value, masked = _VALUES[kind]
    nested = {"deep": [{unicodedata.normalize("NFD", key): [value, {"1": value}]}]}

    assert mask_metadata({key: value}) == {key: masked}
    assert mask_metadata(nested) == {
        "deep": [{unicodedata.normalize("NFD", key): [masked, {"1": masked}]}]
    }
    for known in (personal_values({key: value}), personal_values(nested)):
        assert {one: values for one, values in known.items() if values} == {kind: {value}}


@pytest.mark.parametrize("key", ["supplier", "fournisseur", "contact", "destinataire"])
def test_what_is_under_somebody_is_theirs_where_its_own_key_says_nothing(key: str) -> None:
    metadata = {key: {"value": "Awa Diop", "libellé": "Awa", "country": "SN", "tel": "771234567"}}

    assert mask_metadata(metadata)[key] == {
        "value": MASK,
        "libellé": MASK,
        "country": "SN",
        "tel": MASK,
    }
    known = personal_values(metadata)
    assert known[Personal.NAME] == {"Awa Diop", "Awa"}
    assert known[Personal.PHONE] == {"771234567"}


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("contact", "+221 77 123 45 67", Personal.PHONE),
        ("fournisseur", "FR7630006000011234567890189", Personal.ACCOUNT),
        ("responsable", "awa@example.org", Personal.EMAIL),
        ("téléphone", "Awa Diop", Personal.NAME),
        ("compte", "+221771234567", Personal.PHONE),
        ("bénéficiaire_iban", "FR7630006000011234567890189", Personal.ACCOUNT),
    ],
)
def test_a_value_is_known_as_what_it_is_whatever_it_is_called(
    key: str, value: str, kind: Personal
) -> None:
    assert {one for one, values in personal_values({key: value}).items() if values} == {kind}


def test_nothing_is_shown_of_an_account_that_is_a_name() -> None:
    masked = mask_metadata({"compte": "Moussa Fall", "carte": "0123 4567 Fall", "rib": 1234567890})

    assert masked == {"compte": MASK, "carte": MASK, "rib": "***7890"}


def test_what_names_nobody_in_french_stays_readable() -> None:
    metadata = {
        "nombre": 12,
        "nombre_de_clients": 3,
        "client_count": 3,
        "nom_du_fichier": "IMG_2041.jpg",
        "nomFichier": "IMG_2041.jpg",
        "nom_appareil": "Pixel",
        "adresse_du_document": "page 2",
        "compte_rendu": "Dalle coulée, 40 m²",
        "compte-rendus": ["Dalle coulée"],
        "carte_du_site": "plan nord",
        "frais_bancaires": 1500,
        "net_à_payer": 1200,
        "pays_du_compte": "SN",
        "coordonnées_gps": "14.6937,-17.4441",
        "étage": 3,
        "hauteur": "4 m",
        "mention": "nom",
    }

    assert mask_metadata(metadata) == metadata
    assert not any(personal_values(metadata).values())


def test_what_names_nobody_stays_readable() -> None:
    metadata = {
        "file_name": "IMG_2041.jpg",
        "device_name": "Pixel",
        "source": "camera",
        "gps_lat": 5.3456789,
        "gps_text": "5.3456789,-4.0123456",
        "exif_timestamp": "2026-11-24T10:31:22+00:00",
        "taken_on": "2026-11-24",
        "floor": 3,
        "approved": True,
        "nothing": None,
    }

    assert mask_metadata(metadata) == metadata


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("pay FR7630006000011234567890189 now", "pay ***0189 now"),
        ("reference AB12CDEF3456GHIJ7890", "reference AB12CDEF3456GHIJ7890"),
        ("0022507 01 02 03 04", MASK),
        ("42 items on 2026-01-31", "42 items on 2026-01-31"),
    ],
)
def test_texts_lose_accounts_and_phones_and_keep_the_rest(text: str, masked: str) -> None:
    assert mask_text(text) == masked


def test_an_iban_is_known_by_its_check_digits() -> None:
    assert is_iban("CI93 CI00 8011 1301 1342 9120 0589")
    assert not is_iban("CI94 CI00 8011 1301 1342 9120 0589")
    assert not is_iban("hello")
