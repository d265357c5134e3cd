"""What is said of documents: a message and a hint for each finding. No figure stands in them.

Figures go to `data`, because not everyone who reads the words may know the expected values.
"""

from collections.abc import Mapping
from typing import Any

from proofs.checks.findings import Finding, FindingCode, Severity

_INFO = frozenset({FindingCode.ATTACHMENTS_NOT_READ, FindingCode.LOW_CONFIDENCE})
_WORDS: Mapping[FindingCode, tuple[str, str]] = {
    FindingCode.NOT_AN_INVOICE: (
        "The document calls itself a credit note, an offer, an order or the like.",
        "Ask for the invoice itself; none of these says that anything is owed.",
    ),
    FindingCode.SPECIAL_INVOICE: (
        "The document is an invoice of a special kind: corrected, prepaid, in part, or the like.",
        "Ask what it replaces or settles, so that nothing is paid twice.",
    ),
    FindingCode.INVOICE_TOTAL_UNREADABLE: (
        "The total of the document could not be read.",
        "Read it on the page; a sharper scan, or the original PDF, is read better.",
    ),
    FindingCode.INVOICE_CURRENCY_UNREADABLE: (
        "The currency of the document could not be read.",
        "Read it on the page; an invoice should name its currency beside the total.",
    ),
    FindingCode.AMOUNT_DIFFERS: (
        "The total is not the agreed amount.",
        "Compare the total on the page with the agreement, and ask if in doubt.",
    ),
    FindingCode.MILESTONE_AMOUNT_DIFFERS: (
        "The total is not the amount of the milestone.",
        "Approving pays the milestone's amount, whatever the invoice says; ask what it is for.",
    ),
    FindingCode.CURRENCY_DIFFERS: (
        "The currency is not the agreed one.",
        "Compare the currency on the page with the agreement.",
    ),
    FindingCode.IBAN_DIFFERS: (
        "The account on the document is not the agreed one, or not a valid one.",
        "Ask the supplier over a known number before anything is paid to another account.",
    ),
    FindingCode.IBAN_INVALID: (
        "The account number on the document has wrong check digits.",
        "Compare it with the page: it was misread, misprinted or made up.",
    ),
    FindingCode.DATE_OUT_OF_RANGE: (
        "The date of the document lies outside the agreed days.",
        "Ask why, or for the document of the agreed time.",
    ),
    FindingCode.SUPPLIER_DIFFERS: (
        "The document comes from somebody else than agreed.",
        "Compare the name on the page; a trade name may differ from the agreed one.",
    ),
    FindingCode.INVOICE_NUMBER_DIFFERS: (
        "The number of the invoice is not the agreed one.",
        "Compare the number on the page with the agreement.",
    ),
    FindingCode.REUSED_INVOICE_NUMBER: (
        "Another proof has an invoice with the same number of the same supplier.",
        "Compare both proofs before you decide.",
    ),
    FindingCode.XML_DIFFERS_FROM_PAGE: (
        "The invoice data inside the file says something else than the page, or more than it.",
        "Trust neither before the supplier has said which one holds.",
    ),
    FindingCode.VALUE_UNSURE: (
        "A value that matters was hard to read, and what was read may be wrong.",
        "Read it on the page; a guess was compared with nothing.",
    ),
    FindingCode.COUNTRY_DIFFERS: (
        "Who made the document is registered in another country than agreed.",
        "Ask who delivers, and where; a supplier may have several seats.",
    ),
    FindingCode.CLAIM_UNREADABLE: (
        "What was sent along as the date is none.",
        "Go by the document; ask whoever sent it if the date matters.",
    ),
    FindingCode.CLAIM_DIFFERS: (
        "The document says something else than what was sent along with it.",
        "The document counts; ask whoever sent it if the difference matters.",
    ),
    FindingCode.PAGES_NOT_READ: (
        "Not all pages of the document were read.",
        "Look at the other pages yourself, or have it read again, which is given more time.",
    ),
    FindingCode.XML_UNREADABLE: (
        "The invoice data inside the file is damaged.",
        "What was read comes from the page alone.",
    ),
    FindingCode.XML_AMBIGUOUS: (
        "The file carries invoice data twice, and they say different things.",
        "Go by what the pages show, and ask the supplier which data hold.",
    ),
    FindingCode.ATTACHMENTS_NOT_READ: (
        "The file carries attachments that were not read.",
        "They are not part of what was checked.",
    ),
    FindingCode.OCR_OFF: (
        "The document is a picture, and pictures are not read here.",
        "Read it yourself, ask for a PDF with text of its own, or have it read again with OCR on.",
    ),
    FindingCode.OCR_FAILED: (
        "Reading a page as a picture did not succeed.",
        "Have it read again, or read it yourself.",
    ),
    FindingCode.OCR_UNAVAILABLE: (
        "The engine that reads pictures does not work on this installation.",
        "Whoever runs the installation has to look; have the document read again afterwards.",
    ),
    FindingCode.PAGE_NOT_RENDERED: (
        "A page could not be drawn, and so not be read.",
        "Download the original, and look at it with care.",
    ),
    FindingCode.HIDDEN_TEXT: (
        "The file says something that its pages do not show.",
        "Go by what the pages show, and ask the supplier how the document was made.",
    ),
    FindingCode.SEVERAL_IBANS: (
        "The document names several accounts to pay to; one of them was compared.",
        "Ask the supplier over a known number which account holds, before anything is paid.",
    ),
    FindingCode.SEVERAL_INVOICES: (
        "The file holds several invoices; what was compared may come from more than one.",
        "Compare each with the page, and ask for one file for each invoice.",
    ),
    FindingCode.ENGINES_DISAGREE: (
        "Two ways of reading the page gave other values.",
        "Compare what was read with the page; the better supported value is shown.",
    ),
    FindingCode.LOW_CONFIDENCE: (
        "Much of the document was hard to read.",
        "Compare every value with the page; a sharper scan is read better.",
    ),
    FindingCode.DOCUMENT_UNREADABLE: (
        "The document could not be read.",
        "Read it yourself, or ask for it in another format.",
    ),
    FindingCode.DOCUMENT_NOT_READ: (
        "The document was not read: the machine gave up after several tries.",
        "Read it yourself, or have it read again later.",
    ),
}
# The same codes, where it is not the document but what was sent along that says nothing.
_OF_CLAIMS: Mapping[FindingCode, tuple[str, str]] = {
    FindingCode.INVOICE_TOTAL_UNREADABLE: (
        "What was sent along as the total is no amount.",
        "Go by the document; ask whoever sent it if the amount matters.",
    ),
    FindingCode.INVOICE_CURRENCY_UNREADABLE: (
        "What was sent along as the currency is none.",
        "Go by the document; ask whoever sent it if the currency matters.",
    ),
}
# Those codes that a new reading of the document replaces.
DOCUMENT_CODES = frozenset(_WORDS)


def finding(code: FindingCode, **data: Any) -> Finding:
    """The finding of this code with these figures."""
    return _worded(code, _WORDS[code], data)


def finding_on_claim(code: FindingCode, **data: Any) -> Finding:
    """The same of what was sent along with a document, and not of the document."""
    return _worded(code, _OF_CLAIMS.get(code) or _WORDS[code], data)


def _worded(code: FindingCode, words: tuple[str, str], data: Mapping[str, Any]) -> Finding:
    message, hint = words
    severity = Severity.INFO if code in _INFO else Severity.SOFT
    return Finding(code=code, severity=severity, message=message, hint=hint, data=data)
