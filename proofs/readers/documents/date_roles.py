"""Which of a document's dates is its own, and which the day by which it is to be paid."""

import functools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from proofs.readers.documents.dates import DateFound, dates_in
from proofs.readers.documents.labels import nearest_label
from proofs.readers.documents.layout import COLUMN, Line
from proofs.readers.documents.numbers import is_credit_note


class DateRole(StrEnum):
    """What a date is."""

    ISSUE = "issue"  # "invoice date", "Rechnungsdatum", "facture du"
    DATED = "dated"  # "date" and no more
    DUE = "due"
    OTHER = "other"  # deliveries, orders, versions, discounts
    NONE = "none"


# "Invoice as by our order of" names another paper's date.
_ABOUT = (
    r"gemas|\bselon|according to|\bas per\b|suite a\b|conformement|laut\b"
    r"|(?:\boriginal|\bcredited|\bagainst|related) inv|\bsur (?:la |votre )?facture"
    r"|facture (?:d.origine|initiale|creditee|annulee|concernee)"
    r"|\b(?:annul|rempla|rectifi|corrig|cancel|replac|correct|reverse|relati|concern)\w*"
    r".{0,30}\b(?:facture|invoice|\binv|rechnung)\b"
)
# What a credit note says of the invoice that it credits: its number, and then its day.
_OF_THE_CREDITED = re.compile(r"(?:facture(?! d.avoir)|invoice|\binv)\b(?!.*(?:avoir|credit)).*\d")
_OTHER = (
    r"deliver|livrai|lieferdatum|liefer|leistung|bestell|\border|commande|service|print|expir"
    r"|valid|birth|naiss|period|zeitraum|since|version|stand\b|member|promo|skonto|escompte"
    r"|discount|check.?in|check.?out|arrival|depart|start|\bend\b|schreiben|telefon|rapport"
    r"|lieferschein|ship|voucher|approv|contract|vertrag|contrat|begin"
)
_DUE = (
    r"\bdue|echeance|fallig|zahlbar|payable|pay by|paid by|date limite|netto bis|\bbis\b"
    r"|avant le|zahlungsziel|a regler|reglement|payment date|zahlungstermin"
    r"|\buntil\b|\bremit|uberweisen"
)
_ISSUE = (
    r"invoice date|date of (?:the )?(?:invoice|issue)|inv\.? ?date|issue date|bill(?:ing)? ?date"
    r"|bill dt"
    r"|date (?:de (?:la )?)?factur|date d.?emission|factur\w* (?:du|le)\b|rechnungsdatum"
    r"|beleg-?datum|ausstellungsdatum|emis\w* le|etabli\w* le|fait a .{0,40}|issued|\bdated\b"
    r"|receipt date|biz ?date|doc(?:ument)?\.? ?date|trans(?:action)?\.? ?date|date du recu"
)
_TITLE = (
    r"(?:rechnung|faktura|gutschrift|korrektur|beleg|invoice|facture|avoir|receipt|\bnr\.?|\bno\.?"
    r"|n°|#)\W.{0,80}\b(?:vom|von|of|du|dated|en date du|le)\W*$"
)
# "Invoice for repairs no. 123  11 March 2014": the date stands behind the number by itself.
_TITLE_WITHOUT_WORD = (
    r"^\W*\w*(?:rechnung|gutschrift|invoice|facture|avoir|receipt|quittung)\b.{0,60}"
    r"(?:\bnr|\bno|n°|#)[\s.:]*\S*\d\S*\W*$"
)
_JOINS_A_PERIOD = re.compile(r"^\W*(?:bis|to|au|until|und|and|et|a|-|\u2013)?\W*$")
_DATED = r"\bdate\b|datum|\bdt\b|\btarikh\b|\ble\W*$|\bden\W*$|date|vom\W*$"
_ROLES: tuple[tuple[DateRole, re.Pattern[str]], ...] = tuple(
    (role, re.compile(pattern))
    for role, pattern in (
        (DateRole.OTHER, _ABOUT),
        (DateRole.ISSUE, _ISSUE),
        (DateRole.OTHER, _OTHER),
        (DateRole.DUE, _DUE),
        (DateRole.ISSUE, _TITLE),
        (DateRole.ISSUE, _TITLE_WITHOUT_WORD),
        (DateRole.DATED, _DATED),
    )
)

_POINTS = {
    DateRole.ISSUE: 5.0,
    DateRole.DATED: 4.0,
    DateRole.NONE: 1.5,
    DateRole.OTHER: 0.5,
    DateRole.DUE: 0.3,
}
_SURE_POINTS = 5.0
_TIME_POINTS = 1.0
_REPEATED_POINTS = 0.3
_RUN_POINTS = -1.0
_SWAPPED_POINTS = -0.5
# Of two that are equal the one nearer to the top.
_DEPTH_POINTS = -0.6
_TIME = re.compile(r"(?<!\d)[0-2]?\d[:;.h][0-5]\d(?:[:;.][0-5]\d)?(?!\d)|\b[ap]m\b")
# What a fax machine prints over a page: the time, and the telephone that it came from.
_STAMP_LINES = 1
_STAMP_EDGE = 0.06
_TELEPHONE = re.compile(r"(?:\+|\b00|\b0)\d(?:[ .-]?\d){6,}")
_JOINING = re.compile(r"^\W*(?:vom|du|of|dated|le|von)?\W*$")


@dataclass(frozen=True, slots=True)
class LabelledDate:
    """A date and what stands beside it says."""

    found: DateFound
    role: DateRole


@functools.lru_cache(maxsize=4096)
def role_of_date(label: str) -> DateRole:
    """Give what a label, in plain letters, says of its date."""
    return next((role for role, pattern in _ROLES if pattern.search(label)), DateRole.NONE)


def label_dates(lines: Sequence[Line], *, month_first: bool = False) -> list[LabelledDate]:
    """Give all dates of a document with what they are."""
    labelled = []
    on_credit_note = is_credit_note(lines)
    for index, line in enumerate(lines):
        found = sorted(dates_in(line, index, month_first=month_first), key=lambda one: one.start)
        last: LabelledDate | None = None
        for one in found:
            between = "" if last is None else line.plain[last.found.end : one.start]
            # Two columns of a table are no period.
            is_column = between.startswith(COLUMN) and not between.strip()
            if last is not None and not is_column and _JOINS_A_PERIOD.match(between):
                role = last.role
            else:
                role = _role(lines, one, last.found.end if last else 0)
                if _is_of_other_paper(line, one, on_credit_note=on_credit_note):
                    role = DateRole.OTHER
            last = LabelledDate(one, role)
            labelled.append(last)
    return labelled


def _role(lines: Sequence[Line], one: DateFound, end_of_last: int) -> DateRole:
    line, index = one.line, one.line_index
    before = line.plain[end_of_last : one.start]
    if _JOINING.match(before) and end_of_last == 0 and index and lines[index - 1].page == line.page:
        # "Rechnung Nr. 5 vom" may end one line and its date begin the next.
        wrapped = role_of_date(lines[index - 1].plain.rstrip() + " " + before)
        if wrapped is DateRole.ISSUE:
            return wrapped
    label = nearest_label(lines, index, one.start, one.end, end_of_last, _says_something)
    role = role_of_date(label.text)
    if role in {DateRole.NONE, DateRole.DATED} and role_of_date(before) is DateRole.ISSUE:
        return DateRole.ISSUE
    return role


def _is_of_other_paper(line: Line, one: DateFound, *, on_credit_note: bool) -> bool:
    """Whether a date is a fax machine's, or that of the invoice which a credit note credits."""
    cell = line.plain[line.plain.rfind(COLUMN, 0, one.start) + 1 : one.start]
    if on_credit_note and _OF_THE_CREDITED.search(cell):
        return True
    others = line.plain[: one.start] + COLUMN + line.plain[one.end :]
    return (
        line.y0 < _STAMP_EDGE
        and one.line_index < _STAMP_LINES
        and _TIME.search(line.plain[one.end : one.end + 16]) is not None
        and _TELEPHONE.search(others) is not None
    )


def _says_something(label: str) -> bool:
    return role_of_date(label) is not DateRole.NONE


def choose_date(labelled: Sequence[LabelledDate]) -> tuple[DateFound, float] | None:
    """Give the document's own date and how sure that is, from 0 to 1."""
    if not labelled:
        return None
    times = Counter(one.found.value for one in labelled)
    last_line = max(one.found.line_index for one in labelled) or 1

    def points(one: LabelledDate) -> float:
        found = one.found
        text = found.line.plain
        value = _POINTS[one.role]
        value += _TIME_POINTS * bool(_TIME.search(text[found.end : found.end + 16]))
        value += _REPEATED_POINTS * min(3, times[found.value] - 1)
        value += _RUN_POINTS * found.is_run + _SWAPPED_POINTS * found.is_swapped
        return value + _DEPTH_POINTS * found.line_index / last_line

    best = max(labelled, key=points)
    return best.found, min(1.0, max(0.1, points(best) / _SURE_POINTS))


def choose_due_date(
    labelled: Sequence[LabelledDate], issued: DateFound | None
) -> tuple[DateFound, float] | None:
    """Give the first date that is called due and does not lie before the document's own."""
    due = [
        one.found
        for one in labelled
        if one.role is DateRole.DUE and (issued is None or one.found.value >= issued.value)
    ]
    return (due[0], 0.9 if len({one.value for one in due}) == 1 else 0.6) if due else None
