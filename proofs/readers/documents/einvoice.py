"""E-invoices: Factur-X, ZUGFeRD 1 and 2, XRechnung (CII), and UBL.

What stands there is what the maker's program wrote, to the digit. It may differ from what the page
shows, so its fields are given apart from the page's.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal, InvalidOperation

from proofs.readers.documents.facts import MAX_VALUE_CHARS, Field, FieldName, Source
from proofs.readers.documents.pdf import Attachment
from proofs.readers.documents.xml_tree import Element, XmlRefused, parse_xml

# The names that the standards give to the file inside a PDF.
_STANDARD_NAMES = frozenset(
    {"factur-x.xml", "zugferd-invoice.xml", "xrechnung.xml", "order-x.xml", "cii.xml", "ubl.xml"}
)
# The scheme of a SIRET in an organisation's id, and of a VAT id in a tax registration.
_SIRET_SCHEMES = frozenset({"0009", "0002"})
_VAT_SCHEME = "VA"
_COUNTRY_AND_MORE = re.compile(r"[A-Z]{2}(?=.*\d)[A-Z0-9+*]{2,13}")
_MAX_DIGITS = 15
_UBL_TYPE_CODES = {"Invoice": "380", "CreditNote": "381"}

Found = Iterator[tuple[FieldName, str]]


class NoEInvoice(Exception):
    """This XML is something else than an invoice."""


def candidates(attachments: Iterable[Attachment]) -> list[Attachment]:
    """Give the attached files that may be e-invoices, those with a standard's name first."""
    xml = [
        attachment
        for attachment in attachments
        if attachment.name.lower().endswith(".xml") or _looks_like_xml(attachment.data)
    ]
    return sorted(xml, key=lambda attachment: attachment.name.lower() not in _STANDARD_NAMES)


def read(data: bytes) -> dict[FieldName, Field]:
    """Give the fields of an e-invoice.

    Raises XmlRefused for what is no XML or dangerous, and NoEInvoice for other XML.
    """
    root = parse_xml(data)
    match root.name:
        case "CrossIndustryInvoice" | "CrossIndustryDocument":
            found = _cii(root)
        case "Invoice" | "CreditNote":
            found = _ubl(root)
        case _:
            raise NoEInvoice(root.name)
    fields: dict[FieldName, Field] = {}
    for name, raw in found:
        value = _canonical(name, raw)
        if value and name not in fields:
            fields[name] = Field(
                name=name,
                value=value[:MAX_VALUE_CHARS],
                raw=raw[:MAX_VALUE_CHARS],
                confidence=1.0,
                source=Source.XML,
            )
    return fields


def _cii(root: Element) -> Found:
    """Cross Industry Invoice; ZUGFeRD 1 has other names for the same parts."""
    document = root.first("ExchangedDocument") or root.first("HeaderExchangedDocument")
    if document is not None:
        yield FieldName.NUMBER, document.text_at("ID")
        yield FieldName.TYPE_CODE, document.text_at("TypeCode")
        yield FieldName.DATE, _cii_date(document, "IssueDateTime")
    trade = root.first("SupplyChainTradeTransaction") or root.first(
        "SpecifiedSupplyChainTradeTransaction"
    )
    if trade is None:
        return
    agreement = trade.first("ApplicableHeaderTradeAgreement") or trade.first(
        "ApplicableSupplyChainTradeAgreement"
    )
    seller = agreement.first("SellerTradeParty") if agreement else None
    if seller is not None:
        yield from _cii_seller(seller)
    settlement = trade.first("ApplicableHeaderTradeSettlement") or trade.first(
        "ApplicableSupplyChainTradeSettlement"
    )
    if settlement is not None:
        yield from _cii_settlement(settlement)


def _cii_seller(seller: Element) -> Found:
    yield FieldName.SUPPLIER, seller.text_at("Name")
    for registration in seller.all("SpecifiedTaxRegistration", "ID"):
        if registration.attributes.get("schemeID") == _VAT_SCHEME:
            yield FieldName.VAT_ID, registration.text
    for organisation in seller.all("SpecifiedLegalOrganization", "ID"):
        if organisation.attributes.get("schemeID") in _SIRET_SCHEMES:
            yield FieldName.SIRET, organisation.text


def _cii_settlement(settlement: Element) -> Found:
    currency = settlement.text_at("InvoiceCurrencyCode")
    yield FieldName.CURRENCY, currency
    for means in settlement.all("SpecifiedTradeSettlementPaymentMeans"):
        yield FieldName.IBAN, means.text_at("PayeePartyCreditorFinancialAccount", "IBANID")
    for terms in settlement.all("SpecifiedTradePaymentTerms"):
        yield FieldName.DUE_DATE, _cii_date(terms, "DueDateDateTime")
    sums = settlement.first("SpecifiedTradeSettlementHeaderMonetarySummation") or settlement.first(
        "SpecifiedTradeSettlementMonetarySummation"
    )
    if sums is None:
        return
    yield FieldName.TOTAL, sums.text_at("GrandTotalAmount")
    yield FieldName.NET, sums.text_at("TaxBasisTotalAmount")
    yield FieldName.PAYABLE, sums.text_at("DuePayableAmount")
    # The tax may be told a second time in the currency of the tax office.
    taxes = sorted(
        sums.all("TaxTotalAmount"),
        key=lambda tax: tax.attributes.get("currencyID", currency) != currency,
    )
    for tax in taxes:
        yield FieldName.TAX, tax.text


def _cii_date(element: Element, name: str) -> str:
    # ZUGFeRD 1 wrote the text right into the element at times.
    return element.text_at(name, "DateTimeString") or element.text_at(name)


def _ubl(root: Element) -> Found:
    """Universal Business Language, an invoice or a credit note."""
    yield FieldName.NUMBER, root.text_at("ID")
    # A credit note has a root of its own, whatever code it names or leaves out.
    yield FieldName.TYPE_CODE, root.text_at(f"{root.name}TypeCode")
    yield FieldName.TYPE_CODE, _UBL_TYPE_CODES[root.name]
    yield FieldName.DATE, root.text_at("IssueDate")
    yield FieldName.DUE_DATE, root.text_at("DueDate")
    yield FieldName.DUE_DATE, root.text_at("PaymentMeans", "PaymentDueDate")
    currency = root.text_at("DocumentCurrencyCode")
    yield FieldName.CURRENCY, currency
    seller = root.first("AccountingSupplierParty", "Party")
    if seller is not None:
        yield from _ubl_seller(seller)
    for means in root.all("PaymentMeans"):
        yield FieldName.IBAN, means.text_at("PayeeFinancialAccount", "ID")
    sums = root.first("LegalMonetaryTotal")
    if sums is not None:
        yield FieldName.TOTAL, sums.text_at("TaxInclusiveAmount")
        yield FieldName.NET, sums.text_at("TaxExclusiveAmount")
        yield FieldName.PAYABLE, sums.text_at("PayableAmount")
    for tax in root.all("TaxTotal", "TaxAmount"):
        if tax.attributes.get("currencyID", currency) == currency:
            yield FieldName.TAX, tax.text


def _ubl_seller(seller: Element) -> Found:
    yield FieldName.SUPPLIER, seller.text_at("PartyLegalEntity", "RegistrationName")
    yield FieldName.SUPPLIER, seller.text_at("PartyName", "Name")
    for scheme in seller.all("PartyTaxScheme"):
        if scheme.text_at("TaxScheme", "ID") in {"VAT", ""}:
            yield FieldName.VAT_ID, scheme.text_at("CompanyID")
    for company in seller.all("PartyLegalEntity", "CompanyID"):
        if company.attributes.get("schemeID") in _SIRET_SCHEMES:
            yield FieldName.SIRET, company.text


def _canonical(name: FieldName, raw: str) -> str:
    """Give a value as `FieldName` says it is written; empty for what is none."""
    text = raw.strip()
    match name:
        case FieldName.TOTAL | FieldName.NET | FieldName.TAX | FieldName.PAYABLE:
            return _amount(text)
        case FieldName.DATE | FieldName.DUE_DATE:
            return _date(text)
        case FieldName.CURRENCY:
            return text if re.fullmatch("[A-Z]{3}", text) else ""
        case FieldName.TYPE_CODE:
            # One that nobody knows is not no code: a person must look what the document is.
            return text if not text or re.fullmatch("[0-9]{1,4}", text) else "other"
        case FieldName.IBAN | FieldName.VAT_ID | FieldName.SIRET:
            squeezed = re.sub(r"[^A-Z0-9]", "", text.upper())
            is_vat_id = _COUNTRY_AND_MORE.fullmatch(squeezed) is not None
            return squeezed if name is not FieldName.VAT_ID or is_vat_id else ""
        case _:
            return text


def _amount(text: str) -> str:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return ""
    if not value.is_finite() or value.adjusted() > _MAX_DIGITS:
        return ""
    # XML says 571.04 and 571.0400 for the same; money has two digits at least where it has any.
    exponent = value.normalize().as_tuple().exponent
    digits = max(2, -exponent) if "." in text and isinstance(exponent, int) else 0
    return format(value.quantize(Decimal(1).scaleb(-digits)), "f") if digits else format(value, "f")


def _date(text: str) -> str:
    match = re.fullmatch(r"(\d{4})-?(\d\d)-?(\d\d)(?:[T ].*|Z|[+-]\d\d:\d\d)?", text)
    if match is None:
        return ""
    try:
        return date(int(match[1]), int(match[2]), int(match[3])).isoformat()
    except ValueError:
        return ""


def _looks_like_xml(data: bytes) -> bool:
    return data[:200].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


__all__ = ["NoEInvoice", "XmlRefused", "candidates", "read"]
