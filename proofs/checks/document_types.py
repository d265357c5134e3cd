"""What an e-invoice calls itself by a number: UNTDID 1001, as far as EN 16931 admits it. Pure.

Only a plain invoice says by itself that its amount is owed. A credit note says the opposite, a pro
forma invoice nothing yet; what corrects, prepays or asks for a part can be owed, once.
"""

from collections.abc import Mapping

_CREDIT_NOTE = "credit note"
# What says that nothing is owed, and how it is called.
_NO_INVOICE: Mapping[str, str] = {
    "81": _CREDIT_NOTE,  # for goods or services
    "83": _CREDIT_NOTE,  # for financial adjustments
    "261": f"self-billed {_CREDIT_NOTE}",
    "262": f"consolidated {_CREDIT_NOTE}",
    "296": f"interim {_CREDIT_NOTE}",
    "308": f"delcredere {_CREDIT_NOTE}",
    "310": "offer",
    "325": "pro forma invoice",
    "381": _CREDIT_NOTE,
    "396": f"factored {_CREDIT_NOTE}",
    "420": f"payment {_CREDIT_NOTE}",
    "458": "reversal of a debit",
    "502": f"self-billed corrective {_CREDIT_NOTE}",
    "503": f"self-billed factored {_CREDIT_NOTE}",
    "532": f"forwarder's {_CREDIT_NOTE}",
}
# Invoices for what was delivered, of whatever trade: nothing about them needs another look.
_PLAIN = frozenset(
    {
        "82",  # metered services
        "331",  # with a packing list
        "380",  # commercial invoice
        "382",  # commission
        "385",  # consolidated
        "387",  # hire
        "388",  # tax invoice
        "390",  # delcredere
        "394",  # lease
        "395",  # consignment
        "575",  # insurer's
        "623",  # forwarder's
        "780",  # freight
        "877",  # final invoice of construction
    }
)
# Others, of which a person should know what they stand for before paying.
_SPECIAL: Mapping[str, str] = {
    "71": "request for payment",
    "80": "debit note",
    "84": "debit note",
    "204": "payment valuation",
    "211": "interim application for payment",
    "218": "final payment request",
    "219": "payment request for completed units",
    "326": "partial invoice",
    "383": "debit note",
    "384": "corrected invoice",
    "386": "prepayment invoice",
    "389": "self-billed invoice",
    "393": "factored invoice",
    "527": "self-billed debit note",
    "751": "information for accounting",
    "875": "partial invoice of construction",
    "876": "partial final invoice of construction",
}


def name_of_no_invoice(type_code: str) -> str | None:
    """What a document is by its code that says that nothing is owed; None for others."""
    name = _NO_INVOICE.get(type_code)
    return None if name is None else f"{name} ({type_code})"


def name_of_special_invoice(type_code: str) -> str | None:
    """What an invoice is by its code that may have been paid otherwise, or a code that is unknown.

    None for plain invoices, and for what is no invoice at all.
    """
    if type_code in _PLAIN or type_code in _NO_INVOICE:
        return None
    return f"{_SPECIAL.get(type_code, 'unknown kind')} ({type_code})"
