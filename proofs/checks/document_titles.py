"""What a document calls itself, where that is something else than an invoice. Pure."""

import re

from proofs.checks.sameness import plain_words

# Titles stand at the head of the first page.
TITLE_LINES = 15
# Alone on its line or column, before a number at most: "devis no 12 accepte" in a sentence is none.
_TITLE = re.compile(
    r"(?:^|  )\W*(facture d.avoir|avoir|note de credit|credit (?:note|memo)|gutschrift|devis"
    r"|quot(?:e|ation)|(?:facture |invoice )?pro ?-?forma(?: invoice)?|kostenvoranschlag)"
    r"(?:\W{0,4}(?:n|no|nr|num|numero|number)\b|\W*$|  |\W{1,4}(?:[a-z]{0,4}\W?)?\d)"
)


def title_of_no_invoice(text: str) -> str | None:
    """The words by which a document calls itself a credit note, a quotation or a pro forma.

    None where it does not. `text` is in reading order, with two blanks between columns.
    """
    for line in text.split("\n", TITLE_LINES)[:TITLE_LINES]:
        found = _TITLE.search(plain_words(line))
        if found:
            return found.group(1)
    return None
