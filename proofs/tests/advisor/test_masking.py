"""What names people, places and accounts becomes a placeholder, however it is written."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs.advisor.context import make_context
from proofs.advisor.folding import fold
from proofs.advisor.known import Kind, KnownValues
from proofs.advisor.masking import Masker
from proofs.tests.advisor.test_context import material

KNOWN = KnownValues(
    names=frozenset({"Aïssatou Koné", "BTP Horizon SARL", "moussa.traore"}),
    emails=frozenset({"Aissatou.Kone@Example.org"}),
    phones=frozenset({"+221771234567"}),
    accounts=frozenset({"FR76 3000 6000 0112 3456 7890 189", "CI05A00060174100178530011852"}),
)


def masked(text: str, known: KnownValues = KNOWN) -> str:
    return Masker(known).text(text)


@pytest.mark.parametrize(
    ("text", "placeholder"),
    [
        # Known names: other case, no accents, other order, other signs between, inside a word.
        ("Payé à Aïssatou Koné ce jour", "[NAME_1]"),
        ("AISSATOU KONE", "[NAME_1]"),
        ("Koné, Aïssatou", "[NAME_1]"),
        ("aissatou_kone", "[NAME_1]"),
        ("ＡＩＳＳＡＴＯＵ  ＫＯＮＥ", "[NAME_1]"),  # noqa: RUF001 - full-width on purpose
        ("Aïs\u200bsatou Ko\u00adné", "[NAME_1]"),
        ("photoAissatouKone2026.jpg", "[NAME_1]"),
        ("Mlle Koné", "[NAME_1]"),
        ("la société Horizon", "[NAME_1]"),
        # E-mails and phones, known or not.
        ("aissatou.kone@example.org", "[EMAIL_1]"),
        ("aissatou.kone @ example . org", "[EMAIL_1]"),
        ("qui@ailleurs.test", "[EMAIL_1]"),
        ("+221 77 123 45 67", "[PHONE_1]"),
        ("77.123.45.67", "[PHONE_1]"),
        ("00221-77-123-45-67", "[PHONE_1]"),
        ("Tel 07 08 09 10 11", "[PHONE_1]"),
        # Accounts by their check digits, also over a line's end.
        ("FR7630006000011234567890189", "[IBAN_1]"),
        ("FR76 3000 6000 0112\n3456 7890 189", "[IBAN_1]"),
        ("DE89 3704 0044 0532 0130 00", "[IBAN_1]"),
        ("ci05 a000 6017 4100 1785 3001 1852", "[IBAN_1]"),
        ("carte 4111 1111 1111 1111", "[CARD_1]"),
        # Places.
        ("5.350017, -4.008256", "[GPS_1]"),
        ("5°21'00\"N", "[GPS_1]"),
        ("12 bis, rue des Jardins", "[ADDRESS_1]"),
        ("45 Baker Street", "[ADDRESS_1]"),
        ("BP 1234 Abidjan", "[ADDRESS_1]"),
        ("69003 Lyon", "[ADDRESS_1]"),
        ("Adresse : Cocody, Angré 8e tranche", "[ADDRESS_1]"),
        # Names that nobody told us, by what stands before them.
        ("Client : Fatou Diop", "[NAME_1]"),
        ("M. Ibrahima Ba", "[NAME_1]"),
    ],
)
def test_what_names_somebody_is_replaced(text: str, placeholder: str) -> None:
    said = masked(text)

    assert placeholder in said
    for word in ("kon", "horizon", "77", "3704", "3000", "4111", "5.35", "jardins", "baker", "lyon",
                 "diop", "ibrahima", "ailleurs", "angr", "a000", "09"):  # fmt: skip
        assert word not in fold(said).text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # One figure is wrong, or it is no IBAN at all: it is called an account.
        ("IBAN : FR76 3000 6000 0112 3456 7890 188", "IBAN : [IBAN_1]"),
        ("IBAN : FR76 3000 6000 0112\n3456 7890 188", "IBAN : [IBAN_1]"),
        ("IBAN GB29 NWBK 6016 1331 9268 18 Bank", "IBAN [IBAN_1] Bank"),
        ("IBAN DE89370400440532013001", "IBAN [IBAN_1]"),
        ("Compte n° : 10015 20000 48500003035 clé 35", "Compte n° : [IBAN_1]"),
        ("RIB SN012 01001 123456789012 34", "RIB [IBAN_1]"),
        ("Account number 55779911", "Account number [IBAN_1]"),
        ("Tel: 771234599", "Tel: [PHONE_1]"),
        ("Tél. 699123456", "Tél. [PHONE_1]"),
        ("Wave: 77.123.45.99", "Wave: [PHONE_1]"),
        ("MTN MoMo 237 677889900", "MTN MoMo [PHONE_1]"),
        ("orange money 00221 77 555 44 33", "orange money [PHONE_1]"),
        ("Doit : Ousmane FALL", "Doit : [NAME_1]"),
        ("DOIT\nOusmane Fall\nTotal", "DOIT\n[NAME_1]\nTotal"),
        ("Bill To\nAmina Traore\nTotal", "Bill To\n[NAME_1]\nTotal"),
        ("Bill to: Amina Traore", "Bill to: [NAME_1]"),
        ("Payable to Amina Traore", "Payable to [NAME_1]"),
        ("Payable to:\nAmina Traore", "Payable to:\n[NAME_1]"),
        ("Vendu à Ousmane Fall", "Vendu à [NAME_1]"),
        ("ousmane.fall @ gmail.com", "[EMAIL_1]"),
        ("ousmane.fall (at) gmail.com", "[EMAIL_1]"),
    ],
)
def test_what_is_called_an_account_a_phone_or_a_payer_is_one(text: str, said: str) -> None:
    assert masked(text, KnownValues()) == said


@pytest.mark.parametrize(
    "text",
    [
        "Orange Money 12 000 000 FCFA",
        "Compte tenu des travaux, 1 250 000 FCFA",
        "Acompte 1 250 000 FCFA",
        "Le client doit payer 75000 FCFA",
        "3 sacs @ 2500.50 EUR",
        "Facture no 2026-0042 du 2026-03-10",
        "Total TTC 1 250,00 EUR, TVA 208,33",
        "75000 FCFA payables sous 30 jours",
        "25000 euros",
        "12 sacs de ciment, 3 m carrelage",
        "GEOFENCE_UNCERTAIN",
        "iPhone 15 Pro",
        "4111 1111 1111 1112",
        "0000 0000 0000 0000",
    ],
)
def test_figures_and_words_of_the_trade_stay(text: str) -> None:
    assert masked(text) == text


def test_the_same_value_has_one_placeholder_and_another_value_another() -> None:
    said = masked("a@b.test, c@d.test, A@B.test")

    assert said == "[EMAIL_1], [EMAIL_2], [EMAIL_1]"


def test_a_field_and_a_text_that_agree_show_the_same_placeholder() -> None:
    masker = Masker(KNOWN)

    assert masker.whole(Kind.IBAN, "FR76 3000 6000 0112 3456 7890 189") == "[IBAN_1]"
    assert masker.text("vers FR7630006000011234567890189.") == "vers [IBAN_1]."
    assert masker.whole(Kind.NAME, "") == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("IBAN DE89 3704 0044 0532 0130 00 Commerzbank AG", "IBAN [IBAN_1] Commerzbank AG"),
        ("BE68539007547034.", "[IBAN_1]."),
        # One figure wrong: it is some reference, and no account.
        ("ref DE89370400440532013001", "ref DE89370400440532013001"),
    ],
)
def test_the_check_digits_say_what_is_an_account_and_where_it_ends(text: str, said: str) -> None:
    assert masked(text, KnownValues()) == said


def test_overlapping_finds_are_one_placeholder() -> None:
    known = KnownValues(names=frozenset({"Awa Sow"}), emails=frozenset({"awa.sow@example.org"}))

    assert masked("<awa.sow@example.org>", known) == "<[EMAIL_1]>"


def test_a_part_of_a_name_that_our_own_prompt_uses_is_left_alone() -> None:
    known = KnownValues(names=frozenset({"Awa Photo"}), vocabulary=frozenset({"photo"}))

    assert masked("a photo of Awa Photo", known) == "a photo of [NAME_1]"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Pour Sow et LECOEUR, lot 3", "Pour [NAME_1] et [NAME_2], lot 3"),
        ("chez sow", "chez [NAME_1]"),
        ("BJORN ODEGARD", "[NAME_1]"),
        (
            "Guichet Compte Clé\nCI008  01113  011342912005  89\nTotal",
            "Guichet Compte Clé\n[IBAN_1]\nTotal",
        ),
        ("we sow, SOWETO, sow", "we sow, SOWETO, sow"),
    ],
)
def test_names_and_accounts_as_people_of_the_place_write_them(text: str, said: str) -> None:
    known = KnownValues(
        names=frozenset({"Awa Sow", "Nathalie Lecœur", "Bjørn Ødegård"}),
        accounts=frozenset({"CI93CI0080111301134291200589"}),
    )

    assert masked(text, known) == said


def test_known_values_are_printed_nowhere() -> None:
    assert "Kon" not in f"{KNOWN} {KNOWN!r}"


@given(
    before=st.text(max_size=20),
    after=st.text(max_size=20),
    gaps=st.lists(st.sampled_from(["", " ", "-", "\n", "."]), min_size=26, max_size=26),
)
def test_a_known_account_is_found_in_whatever_surroundings_and_spacing(
    before: str, after: str, gaps: list[str]
) -> None:
    digits = "FR7630006000011234567890189"
    spaced = "".join(sign + gap for sign, gap in zip(digits, [*gaps, ""], strict=True))

    said = masked(f"{before} {spaced} {after}")

    kept = "".join(sign for sign in fold(said).text if sign.isalnum())
    assert "30006000011234567890189" not in kept


@given(st.text(max_size=200))
def test_masking_never_fails_and_leaves_no_text_longer_than_its_placeholders(text: str) -> None:
    said = masked(text)
    assert masked(text) == said


@pytest.mark.parametrize(
    "unit",
    ["a", "1", "1 ", "a@", "a.", "fr76", "12345 ", "12 rue ", "1.11111 ", "name:", "ignor "],
)
def test_no_document_holds_up_a_worker(unit: str) -> None:
    known = KnownValues(
        names=frozenset(f"Person{number} Family{number}" for number in range(200)),
        emails=frozenset(f"person{number}@example.org" for number in range(200)),
        phones=frozenset(f"+22507{number:08d}" for number in range(200)),
        accounts=frozenset(f"FR76{number:023d}" for number in range(200)),
    )
    text = unit * (20_000 // len(unit))
    started_s = time.process_time()

    masked(text, known)
    make_context(material(exhibit={"reading": {"text": text}}, known=known))

    # Patterns for each value took up to 48 s.
    assert time.process_time() - started_s < 3
