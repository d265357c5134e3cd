"""E-invoices of both kinds and all versions, and XML that means harm."""

import pytest

from proofs.readers.documents import einvoice, xml_tree
from proofs.readers.documents.facts import FieldName, NoteCode, Source
from proofs.readers.documents.pdf import Attachment
from proofs.readers.documents.reading import read_xml
from proofs.readers.documents.xml_tree import MAX_DEPTH, XmlRefused, parse_xml

CII = """\
<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
    xmlns:ram="urn:ram" xmlns:udt="urn:udt">
  <rsm:ExchangedDocument>
    <ram:ID>FA-2026-0117</ram:ID>
    <ram:TypeCode>380</ram:TypeCode>
    <ram:IssueDateTime>
      <udt:DateTimeString format="102">20260301</udt:DateTimeString>
    </ram:IssueDateTime>
  </rsm:ExchangedDocument>
  <rsm:SupplyChainTradeTransaction>
    <ram:ApplicableHeaderTradeAgreement>
      <ram:SellerTradeParty>
        <ram:Name>Awa Bâtiment</ram:Name>
        <ram:SpecifiedLegalOrganization>
          <ram:ID schemeID="0002">73282932000074</ram:ID>
        </ram:SpecifiedLegalOrganization>
        <ram:SpecifiedTaxRegistration>
          <ram:ID schemeID="FC">201/113</ram:ID>
        </ram:SpecifiedTaxRegistration>
        <ram:SpecifiedTaxRegistration>
          <ram:ID schemeID="VA">FR40 303265045</ram:ID>
        </ram:SpecifiedTaxRegistration>
      </ram:SellerTradeParty>
      <ram:BuyerTradeParty><ram:Name>Mairie de Thiès</ram:Name></ram:BuyerTradeParty>
    </ram:ApplicableHeaderTradeAgreement>
    <ram:ApplicableHeaderTradeSettlement>
      <ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>
      <ram:SpecifiedTradeSettlementPaymentMeans>
        <ram:PayeePartyCreditorFinancialAccount>
          <ram:IBANID>FR7630006000011234567890189</ram:IBANID>
        </ram:PayeePartyCreditorFinancialAccount>
      </ram:SpecifiedTradeSettlementPaymentMeans>
      <ram:SpecifiedTradePaymentTerms>
        <ram:DueDateDateTime>
          <udt:DateTimeString format="102">20260331</udt:DateTimeString>
        </ram:DueDateDateTime>
      </ram:SpecifiedTradePaymentTerms>
      <ram:SpecifiedTradeSettlementHeaderMonetarySummation>
        <ram:TaxBasisTotalAmount>400.00</ram:TaxBasisTotalAmount>
        <ram:TaxTotalAmount currencyID="GBP">70.00</ram:TaxTotalAmount>
        <ram:TaxTotalAmount currencyID="EUR">80.00</ram:TaxTotalAmount>
        <ram:GrandTotalAmount>480.0000</ram:GrandTotalAmount>
        <ram:DuePayableAmount>380.00</ram:DuePayableAmount>
      </ram:SpecifiedTradeSettlementHeaderMonetarySummation>
    </ram:ApplicableHeaderTradeSettlement>
  </rsm:SupplyChainTradeTransaction>
</rsm:CrossIndustryInvoice>"""
ALL = {
    "number": "FA-2026-0117",
    "date": "2026-03-01",
    "due_date": "2026-03-31",
    "supplier": "Awa Bâtiment",
    "siret": "73282932000074",
    "vat_id": "FR40303265045",
    "currency": "EUR",
    "iban": "FR7630006000011234567890189",
    "total": "480.00",
    "net": "400.00",
    "tax": "80.00",
    "type_code": "380",
    "payable": "380.00",
}
# ZUGFeRD 1 has the same parts under other names.
OLD_NAMES = (
    ("CrossIndustryInvoice", "CrossIndustryDocument"),
    ("ExchangedDocument", "HeaderExchangedDocument"),
    ("SupplyChainTradeTransaction", "SpecifiedSupplyChainTradeTransaction"),
    ("ApplicableHeaderTrade", "ApplicableSupplyChainTrade"),
    ("SettlementHeaderMonetary", "SettlementMonetary"),
)
UBL = """\
<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2" xmlns:cac="a" xmlns:cbc="b">
  <cbc:ID>FA-2026-0117</cbc:ID><cbc:IssueDate>2026-03-01</cbc:IssueDate>
  <cbc:DueDate>2026-03-31</cbc:DueDate><cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
  <cac:AccountingSupplierParty><cac:Party>
    <cac:PartyName><cbc:Name>Awa</cbc:Name></cac:PartyName>
    <cac:PartyTaxScheme><cbc:CompanyID>FR40303265045</cbc:CompanyID>
      <cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme>
    <cac:PartyLegalEntity><cbc:RegistrationName>Awa Bâtiment</cbc:RegistrationName>
      <cbc:CompanyID schemeID="0009">73282932000074</cbc:CompanyID></cac:PartyLegalEntity>
  </cac:Party></cac:AccountingSupplierParty>
  <cac:PaymentMeans><cac:PayeeFinancialAccount><cbc:ID>FR7630006000011234567890189</cbc:ID>
  </cac:PayeeFinancialAccount></cac:PaymentMeans>
  <cac:TaxTotal><cbc:TaxAmount currencyID="EUR">80.00</cbc:TaxAmount></cac:TaxTotal>
  <cac:LegalMonetaryTotal><cbc:TaxExclusiveAmount>400.00</cbc:TaxExclusiveAmount>
    <cbc:TaxInclusiveAmount>480.00</cbc:TaxInclusiveAmount>
    <cbc:PayableAmount>380.00</cbc:PayableAmount></cac:LegalMonetaryTotal>
</Invoice>"""


def values(xml: str) -> dict[str, str]:
    return {name.value: field.value for name, field in einvoice.read(xml.encode()).items()}


def as_zugferd_1(xml: str) -> str:
    for new, old in OLD_NAMES:
        xml = xml.replace(new, old)
    return xml.replace("urn:un:unece", "urn:ferd")


def test_a_cross_industry_invoice_is_read_to_the_digit() -> None:
    assert values(CII) == ALL
    total = einvoice.read(CII.encode())[FieldName.TOTAL]
    assert (total.raw, total.confidence, total.source) == ("480.0000", 1.0, Source.XML)
    assert (total.page, total.box) == (None, None)


def test_the_first_zugferd_is_read_likewise() -> None:
    assert values(as_zugferd_1(CII)) == ALL


def test_a_ubl_invoice_is_read_likewise() -> None:
    assert values(UBL) == ALL


@pytest.mark.parametrize(
    ("xml", "type_code"),
    [
        (CII.replace(">380<", "> <"), None),
        (CII.replace(">380<", ">381<"), "381"),
        (as_zugferd_1(CII).replace(">380<", "> 384 <"), "384"),
        (CII.replace(">380<", ">credit<"), "other"),
        (UBL.replace("<Invoice ", "<CreditNote ").replace("</Invoice>", "</CreditNote>"), "381"),
        (
            UBL.replace("<cbc:Issue", "<cbc:InvoiceTypeCode>386</cbc:InvoiceTypeCode><cbc:Issue"),
            "386",
        ),
    ],
)
def test_what_the_data_says_that_it_is_is_read(xml: str, type_code: str | None) -> None:
    assert values(xml).get("type_code") == type_code


def test_bytes_before_the_declaration_and_other_encodings_are_understood() -> None:
    assert einvoice.read(b"\xef\xbb\xbf" + CII.encode())[FieldName.TOTAL].value == "480.00"
    latin = CII.replace("UTF-8", "ISO-8859-1").encode("latin-1")
    assert einvoice.read(latin)[FieldName.SUPPLIER].value == "Awa Bâtiment"


@pytest.mark.parametrize(
    ("good", "bad", "lost"),
    [
        ("480.0000", "four hundred", "total"),
        ("480.0000", "NaN", "total"),
        ("480.0000", "1E+900", "total"),
        (">20260301<", ">20260231<", "date"),
        ("FR40 303265045", "none", "vat_id"),
    ],
)
def test_a_value_that_is_none_is_left_out_and_the_others_are_read(
    good: str, bad: str, lost: str
) -> None:
    read = values(CII.replace(good, bad, 1))
    assert lost not in read
    assert read == {name: ALL[name] for name in read}
    assert len(read) == len(ALL) - 1


def test_a_value_as_long_as_a_book_is_cut() -> None:
    assert len(values(CII.replace("Awa Bâtiment", "x" * 9_999))["supplier"]) == 300


@pytest.mark.parametrize(
    ("second", "notes"),
    [
        (CII, []),
        (CII.replace(">FA-2026-0117<", ">FA-1<"), [NoteCode.XML_AMBIGUOUS]),
        (UBL.replace("480.00", "48.00"), [NoteCode.XML_AMBIGUOUS]),
        ("<note>Merci</note>", []),
        ("<broken", [NoteCode.XML_UNREADABLE]),
    ],
)
def test_a_second_e_invoice_that_says_something_else_is_told(
    second: str, notes: list[NoteCode]
) -> None:
    attached = [
        Attachment(name="other.xml", data=second.encode()),
        Attachment(name="factur-x.xml", data=CII.encode()),
    ]

    fields, told = read_xml(attached)

    assert {name.value: field.value for name, field in fields.items()} == ALL
    assert [note.code for note in told] == notes


def test_other_xml_is_no_e_invoice() -> None:
    with pytest.raises(einvoice.NoEInvoice):
        einvoice.read(b"<html/>")


LAUGHS = b"""<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>"""
FILE = b"""<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>"""


@pytest.mark.parametrize(
    "data",
    [
        LAUGHS,
        FILE,
        b"<!DOCTYPE a SYSTEM 'http://example.org/a.dtd'><a/>",
        b"<a>&unknown;</a>",
        b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1),
        b"<a>" + b"x" * 5_000_001 + b"</a>",
        b"<a><b></a>",
        b"",
        b"\x00\x01\x02",
        b"<?xml version='1.0' encoding='no-such'?><a/>",
    ],
    ids=[
        "laughs",
        "file",
        "dtd",
        "entity",
        "deep",
        "large",
        "open",
        "empty",
        "noise",
        "enc",
    ],
)
def test_dangerous_and_broken_xml_is_refused(data: bytes) -> None:
    with pytest.raises(XmlRefused):
        parse_xml(data)


def test_more_elements_than_an_invoice_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_tree, "MAX_ELEMENTS", 10)
    assert len(parse_xml(b"<a>" + b"<b/>" * 9 + b"</a>").children) == 9
    with pytest.raises(XmlRefused, match="too many"):
        parse_xml(b"<a>" + b"<b/>" * 10 + b"</a>")


def test_of_the_attached_files_those_that_may_be_e_invoices_come_in_order() -> None:
    attached = [
        Attachment(name="plan.png", data=b"\x89PNG"),
        Attachment(name="other.xml", data=b"<a/>"),
        Attachment(name="Factur-X.xml", data=b"<a/>"),
        Attachment(name="no-name", data=b"\xef\xbb\xbf <a/>"),
    ]
    names = [attachment.name for attachment in einvoice.candidates(attached)]
    assert names == ["Factur-X.xml", "other.xml", "no-name"]
