"""What the words beside an amount say that it is, in French, English, German and on till receipts.

The patterns meet text in small letters without accents (`layout.plain`). OCR reads I, l and 1 for
one another, and drops blanks; the patterns allow for it where labels suffer from it.
"""

import functools
import re
from enum import StrEnum


class Role(StrEnum):
    """What an amount is."""

    GROSS = "gross"  # says of itself that tax is in it, or that it is the last word
    TOTAL = "total"  # a total of some kind
    NET = "net"
    NET_TOTAL = "net total"  # the last word on a receipt, and what comes before tax on an invoice
    TAX = "tax"
    PAYABLE = "payable"  # what is asked for, as a rule the total
    DUE = "due"  # what is left to pay after advances; the total where there were none
    PAID = "paid"
    CHANGE = "change"
    ROUNDING = "rounding"
    ROUNDED = "rounded"  # a total after it was rounded to the coins there are
    OTHER = "other"  # discounts, quantities, capital of the company: never a total
    NONE = "none"


_TOTAL = re.compile(
    r"t[o0]ta[l1]|invoice value"
    r"|\bmontant\b|gesamt|summe\b|betrag\b|jum[l1]ah|\bamount\b|totaal|importe|beitrag"
)
_SUBTOTAL = re.compile(r"sub\s?-?\s?t[o0]t|sous.total|zwischensumme|positionssumme|warenwert")
_TAX = re.compile(
    r"\b(?:gst|g\.s\.t|vat|tva|t\.v\.a|mwst|ust|sst|igst|cgst|sgst|taxe?s?)\b|mwst|steuer"
)
_TAX_AMOUNT = re.compile(
    r"steuerbetrag|(?:ust|mwst)\.?-?\s?betrag|tax amount|montant (?:de la )?(?:tva|taxe)"
)
# "GST @ 6% included in total" is about the tax, "total included GST" about the total.
_TAX_WITHIN = re.compile(r"^\W*(?:gst|vat|tva|mwst|ust|sst|tax)\b.*(?:inc[l1]|inkl|dont)")
_WITH_TAX = re.compile(
    r"inc[l1i]|[il1]nc[l1i]us|inkl|mit (?:mwst|ust)|ttc|t\.t\.c|brutto|with (?:gst|vat|tax)"
    r"|w/ ?(?:gst|vat|tax)|toutes taxes"
)
_WITHOUT_TAX = re.compile(
    r"exc[l1i]|\bht\b|\bh\.t|hors|ohne (?:mwst|ust|steuer)|netto|before (?:gst|vat|tax)|untaxed"
    r"|w/o|without|\w\W+zzgl"
)
_SPEAKS_OF_ITS_KIND = re.compile(r"ttc|t\.t\.c|brutto")

_NEVER_A_TOTAL = re.compile(
    r"capital|kapital|ausstehend|outstanding|basis ?betrag|\bbase\b|\bqty\b|quantit|\bpcs\b"
    r"|\bitems?\b(?! t[o0]tal)|\bpoints?\b|savings?\b|\bsaved\b|der (?:zu|ab)schlage|zuschlag"
    r"|abschlag|\bskonto|escompte|einzelpreis|unit ?price|prix unit|u/price|s/price|stuckpreis"
    r"|\bmenge\b|member|\bpax\b|\bcount\b"
    # Of a bill for works in stages: the whole contract, and what was billed before.
    r"|\bmarche\b|\bcumul|situations? precedentes?|reste a facturer"
    r"|to be (?:bill|invoic)ed"
    # A rate of exchange: "1 € = 655,957".
    r"|\b1 ?(?:[€$£]|[a-z]{3,5}) ?=\W*$"
    # Of another paper: the invoice that is credited, the quotation that was accepted.
    r"|\borig(?:inal|\.)? (?:invoice|bill)|facture (?:d.origine|initiale|creditee|annulee)"
    r"|(?<!selon )(?<!sur )\b(?:du|de|le|votre|total|montant) devis\b"
    r"|quot(?:e|ation) (?:total|amount)"
    # Of what several pay, the part of one.
    r"|\bpart (?:du |de l.)?(?:patient|assur|mutuelle)|patient(?:.s)? (?:share|portion|part)\b"
)
# What a credit note gives back; a till's "total credit" is how it was paid.
_CREDITED = re.compile(
    r"t[o0]tal credit(?:ed)?\W*$|credit (?:note )?total|(?:total|montant) (?:de l.|d.)avoir"
)
# The title of an invoice for an advance, whose total its labels call so, and of a final one.
_ADVANCE = (
    r"(?:acompte|deposit|down payment|avance|advance(?: payment)?|anzahlung)"
    r"(?: (?:de|of))?(?: \d+(?:[.,]\d+)? ?%)?"
)
ADVANCE_TITLE = re.compile(
    r"(?:^|  )\W*(?:facture d.(?:acompte|avance)|(?:deposit|advance(?: payment)?) invoice"
    r"|invoice for (?:a |the )?deposit|anzahlungsrechnung)\b"
)
BALANCE_TITLE = re.compile(
    r"(?:^|  )\W*(?:facture (?:de |pour )solde|(?:final )?balance invoice)\b"
)
_BALANCE = re.compile(r"\bsolde\b|balance")
_AFTER_REDUCTION = re.compile(r"(?:after|apres|nach|less|net of) (?:disc|remise|rabatt|abzug)")
_ROUNDED = re.compile(r"after round|after adj|r[o0]unded")
_REDUCTION_OR_SERVICE = re.compile(
    r"discount|\bdisc\b|remise|rabatt|\brem\b|service ch|svc|svr|\bs/?c\b|\btip\b"
)
_ROUNDING = re.compile(r"\br[o0]und|arrondi|rundung|\badj")
_ADJUSTMENT = re.compile(r"^(?!.*(?:r[o0]und|t[o0]ta[l1])).*\badj")
_CHANGE = re.compile(r"\bchange|\bbaki\b|rendu|monnaie|ruckgeld|\bba[l1]ance\b(?! due)")
_DUE = re.compile(
    r"zahlbetrag|(?:amount|balance|total) due|reste a payer|reste du|restbetrag|\bsolde\b"
    r"|due payable|^\W*due\b|zu zahlen|residual"
)
_PAYABLE = re.compile(
    r"a payer|amount payable|total payable|te betalen|to pay\b|somme de|somme totale de|\bsum of"
)
_NET_TOTAL = re.compile(r"n[eo]tt? t[o0]ta[l1]|t[o0]ta[l1] n[eo]tt?\b")
_GROSS = re.compile(
    r"grand\s?t[o0]ta|t[o0]ta[l1] general|rechnungsbetrag|endbetrag|endsumme|gesamtsumme"
    r"|gesamtbetrag|invoice total|total invoice|bill total|total bill|total sales? amount"
)
_PAID = re.compile(
    r"\bcash\b|\bpaid\b|tender|\bvisa\b|master|\bcard\b|\bcarte\b|especes|encaisse|\brecu\b"
    r"|gegeben|\bbar\b|anzahlung|acompte|deposit|payment|paiement|\bamex\b|credit|debit|tunai"
    r"|received|prepaid|advance"
)
# The first that is found decides, so that what is more special stands before what is more general.
_RULES = (
    (_SUBTOTAL, Role.NET),
    (_NEVER_A_TOTAL, Role.OTHER),
    (_ROUNDED, Role.ROUNDED),
    (_AFTER_REDUCTION, Role.TOTAL),
    (_CREDITED, Role.TOTAL),
    (_REDUCTION_OR_SERVICE, Role.OTHER),
    (_ROUNDING, Role.ROUNDING),
    (_CHANGE, Role.CHANGE),
    (_DUE, Role.DUE),
    (_PAYABLE, Role.PAYABLE),
    (_NET_TOTAL, Role.NET_TOTAL),
    (_GROSS, Role.GROSS),
    (_PAID, Role.PAID),
    (_TOTAL, Role.TOTAL),
)
# Labels of these kinds may still turn out to speak of net or tax.
_OPEN_TO_TAX = frozenset({Role.GROSS, Role.TOTAL, Role.NONE})


@functools.lru_cache(maxsize=4096)
def role_of(label: str) -> Role:
    """Give what a label, in plain letters, says of its amount."""
    role = next((role for pattern, role in _RULES if pattern.search(label)), Role.NONE)
    return _by_tax(label, role) if role in _OPEN_TO_TAX else role


def of_advance(label: str) -> str:
    """Give a label on an invoice for an advance as one that speaks of the invoice's own sum."""
    return re.sub(_ADVANCE, "montant", label)


def is_balance(label: str) -> bool:
    """Whether a label speaks of what a final invoice asks for."""
    return _BALANCE.search(label) is not None


def is_adjustment(label: str) -> bool:
    """Whether a label speaks of an adjustment that need not be to the coins there are."""
    return _ADJUSTMENT.search(label) is not None


def _by_tax(label: str, role: Role) -> Role:
    """Let what is said of tax decide where a label speaks of a total, or of tax alone."""
    speaks_of_total = role is not Role.NONE
    if _WITHOUT_TAX.search(label):
        return Role.NET if speaks_of_total or "netto" in label else Role.OTHER
    if _TAX_AMOUNT.search(label) or _TAX_WITHIN.search(label):
        return Role.TAX
    if _WITH_TAX.search(label) and (speaks_of_total or _SPEAKS_OF_ITS_KIND.search(label)):
        return Role.GROSS
    if _TAX.search(label):
        return Role.TAX
    # "Total 6% supplies" is the part at that rate.
    return Role.NET if role is Role.TOTAL and "%" in label else role
