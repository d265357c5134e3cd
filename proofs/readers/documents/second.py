"""When one engine's reading leaves doubt, and what two readings of one document say together.

Two engines seldom make the same mistake. So where both read a value, it is as sure as the surer of
the two; where they differ, the value that something else supports is taken, with less confidence,
and a person is told. Check digits and sums support more than any engine's own confidence.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from difflib import SequenceMatcher

from proofs.masking import is_iban
from proofs.readers.documents.facts import (
    Field,
    FieldName,
    Note,
    NoteCode,
    Reading,
    ReadingStatus,
)

# What a bill cannot be judged without.
NEEDED = (FieldName.TOTAL, FieldName.DATE)
_AMOUNTS = (FieldName.TOTAL, FieldName.NET, FieldName.TAX)
_CENTS_OF_ROUNDING = Decimal("0.05")
# What is left of a confidence where the other engine reads something else, or nothing.
DISPUTED, ALONE = 0.6, 0.8
# Parts of the total, which is told itself, and what differs by letters in every second reading.
_UNDISPUTED = frozenset({FieldName.NET, FieldName.TAX, FieldName.SUPPLIER})
# Names differ by a letter in every second reading; that is no dispute.
_SAME_NAME_RATIO = 0.85

Fields = Mapping[FieldName, Field]


def is_doubtful(reading: Reading) -> bool:
    """Whether a document that was read by OCR lacks what is needed, or contradicts itself."""
    fields = reading.fields
    if any(name not in fields for name in NEEDED):
        return True
    iban = fields.get(FieldName.IBAN)
    return adds_up(fields) is False or (iban is not None and not _has_check_digits(iban))


def adds_up(fields: Fields) -> bool | None:
    """Whether net and tax make up the total; None where one of them is not known."""
    if any(name not in fields for name in _AMOUNTS):
        return None
    try:
        total, net, tax = (Decimal(fields[name].value) for name in _AMOUNTS)
    except InvalidOperation:
        return None
    return abs(net + tax - total) <= _CENTS_OF_ROUNDING


def combine(first: Reading, second: Reading) -> Reading:
    """Give what two engines together say of one document.

    Everything but the fields is the first one's, unless it read nothing at all; but a second
    account proves itself whoever read it.
    """
    if not second.fields and second.status is not ReadingStatus.READ:
        return first
    disputed: list[FieldName] = []
    found = {field.name: field for field in _chosen(first.fields, second.fields, disputed)}
    told = {note.code for note in first.notes}
    notes = (*first.notes, *(note for note in second.notes if _is_news(note, told)))
    if disputed:
        names = ", ".join(name.value.replace("_", " ") for name in disputed)
        note = Note(
            code=NoteCode.ENGINES_DISAGREE,
            message=f"Two engines read another {names}.",
            hint="Compare these values with the page.",
        )
        notes = (*notes, note)
    return replace(
        first,
        fields=found,
        engine=f"{first.engine}+{second.engine}",
        engine_version=f"{first.engine_version}, {second.engine_version}"[:100],
        status=ReadingStatus.READ,
        pages_read=max(first.pages_read, second.pages_read),
        text=first.text or second.text,
        notes=notes,
    )


def _is_news(note: Note, told: Collection[NoteCode]) -> bool:
    return note.code is NoteCode.SEVERAL_IBANS and note.code not in told


def _chosen(first: Fields, second: Fields, disputed: list[FieldName]) -> Iterator[Field]:
    """Give the better of each field, and put those that are disputed on the list."""
    amounts = _better_sums(first, second)
    for name in FieldName:
        one, other = first.get(name), second.get(name)
        if one is not None and other is not None:
            better = max(one, other, key=_support)
            if _same(name, one.value, other.value):
                yield better
                continue
            if name in _AMOUNTS and amounts is not None:
                better = amounts[name]
            if name not in _UNDISPUTED:
                disputed.append(name)
            yield _less_sure(better, DISPUTED)
        elif only := one or other:
            yield _less_sure(only, ALONE)


def _better_sums(first: Fields, second: Fields) -> Fields | None:
    """Give the amounts of the one reading in which they add up; None where none is better."""
    one, other = adds_up(first) is True, adds_up(second) is True
    if one is other:
        return None
    return first if one else second


def _support(field: Field) -> tuple[bool, float]:
    return _has_check_digits(field), field.confidence


def _has_check_digits(field: Field) -> bool:
    """Whether the check digits of an IBAN hold; of a field without any, that they do."""
    return field.name is not FieldName.IBAN or is_iban(field.value)


def _same(name: FieldName, one: str, other: str) -> bool:
    if one == other:
        return True
    if name is not FieldName.SUPPLIER:
        return False
    first, second = ("".join(filter(str.isalnum, text.casefold())) for text in (one, other))
    return SequenceMatcher(None, first, second, autojunk=False).ratio() >= _SAME_NAME_RATIO


def _less_sure(field: Field, share: float) -> Field:
    return replace(field, confidence=round(field.confidence * share, 3))
