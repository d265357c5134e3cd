"""What the readers found in a document; needs no library, so any process can hold it.

All of it can come from a child process that handled hostile bytes, so each `from_json` takes
nothing as it comes and raises ValueError for what is not exactly of this shape.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, Self

from proofs.readers.documents.untrusted import (
    optional,
    take_bool,
    take_dict,
    take_int,
    take_list,
    take_member,
    take_number,
    take_text,
)

MAX_WORD_CHARS = 300
MAX_WORDS_PER_PAGE = 20_000
MAX_PAGES = 30
# More than any page of paper; a page in points, a picture in pixels.
MAX_SIDE = 1_000_000
# As steep as 45 degrees; beyond, a page lies on its side.
MAX_TILT = 10.0
# Quarters of a circle, in degrees.
MAX_TURN = 270
MAX_VALUE_CHARS = 300
MAX_TEXT_CHARS = 20_000
MAX_NOTES = 50
# Stands in a reading's text where a page ends and another begins.
PAGE_BREAK = "\f"
# A broken page tree can claim any number of pages.
MAX_PAGES_CLAIMED = 10_000_000


class Source(StrEnum):
    """Where a field or the words of a page come from."""

    XML = "xml"
    TEXT = "text"
    OCR = "ocr"


class FieldName(StrEnum):
    """The fields that are looked for.

    Values are canonical texts: amounts plain decimals (`1000.50`, a credit note's may be negative),
    dates ISO (`2026-03-10`), the currency its ISO 4217 code, IBAN, VAT id and SIRET without spaces.
    The type code (UNTDID 1001) is what an e-invoice says that it is; pages have none. Payable is
    what is left to pay of the total; pages have it where it is less than that.
    """

    TOTAL = "total"
    NET = "net"
    TAX = "tax"
    CURRENCY = "currency"
    DATE = "date"
    DUE_DATE = "due_date"
    NUMBER = "number"
    SUPPLIER = "supplier"
    IBAN = "iban"
    VAT_ID = "vat_id"
    SIRET = "siret"
    TYPE_CODE = "type_code"
    PAYABLE = "payable"


class ReadingStatus(StrEnum):
    """How the reading went as a whole."""

    READ = "read"  # there was something to read; fields may be missing all the same
    EMPTY = "empty"  # neither XML nor text, and nothing that OCR could make out
    FAILED = "failed"  # OCR was needed and did not work; a note says whether to try again


class NoteCode(StrEnum):
    """What a person should know about how a document was read."""

    PAGES_NOT_READ = "PAGES_NOT_READ"  # more pages, or more on them, than OCR may look at
    XML_UNREADABLE = "XML_UNREADABLE"  # an e-invoice is embedded, and damaged or hostile
    XML_AMBIGUOUS = "XML_AMBIGUOUS"  # two are embedded, and say different things
    ATTACHMENTS_NOT_READ = "ATTACHMENTS_NOT_READ"  # larger or more than may be looked at
    OCR_OFF = "OCR_OFF"  # a page has no text and the engine is `none`
    OCR_FAILED = "OCR_FAILED"  # the engine gave up on a page
    OCR_UNAVAILABLE = "OCR_UNAVAILABLE"  # the engine is not installed or does not start
    PAGE_NOT_RENDERED = "PAGE_NOT_RENDERED"  # too large, or nothing that can be drawn
    HIDDEN_TEXT = "HIDDEN_TEXT"  # the file says something that the page does not show
    SEVERAL_IBANS = "SEVERAL_IBANS"  # it names more than one account to pay to
    SEVERAL_INVOICES = "SEVERAL_INVOICES"  # its pages have several numbers, and totals of each
    ENGINES_DISAGREE = "ENGINES_DISAGREE"  # two engines read other values
    LOW_CONFIDENCE = "LOW_CONFIDENCE"  # OCR itself doubts a good part of what it read


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A place on a page, in fractions of its width and height from the top left corner."""

    x0: float
    y0: float
    x1: float
    y1: float

    def turned_back(self, degrees: int) -> "Box":
        """Give the place on the picture as it was before it was turned against the clock."""
        match degrees:
            case 90:
                return Box(x0=1 - self.y1, y0=self.x0, x1=1 - self.y0, y1=self.x1)
            case 180:
                return Box(x0=1 - self.x1, y0=1 - self.y1, x1=1 - self.x0, y1=1 - self.y0)
            case 270:
                return Box(x0=self.y0, y0=1 - self.x1, x1=self.y1, y1=1 - self.x0)
        return self

    def to_json(self) -> list[float]:
        """Give the four numbers, rounded to what a screen can show."""
        return [round(value, 5) for value in (self.x0, self.y0, self.x1, self.y1)]

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Take a box from decoded JSON."""
        sides = take_list(data, _fraction, at_most=4)
        if len(sides) != 4 or sides[0] > sides[2] or sides[1] > sides[3]:
            raise ValueError("these are not the sides of a box")
        return cls(x0=sides[0], y0=sides[1], x1=sides[2], y1=sides[3])


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word, or with OCR a run of words, and its place on the page in fractions (see `Box`).

    `confidence` is the engine's own from 0 to 1, and None where the text is the file's own.
    """

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    confidence: float | None = None

    def to_json(self) -> list[Any]:
        """Give the word as a list, since a page has hundreds."""
        sides = (round(value, 5) for value in (self.x0, self.y0, self.x1, self.y1))
        confidence = None if self.confidence is None else round(self.confidence, 4)
        return [self.text, *sides, confidence]

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Take a word from decoded JSON."""
        if type(data) is not list or len(data) != 6:
            raise ValueError("this is not a word")
        box = Box.from_json(data[1:5])
        return cls(
            text=take_text(data[0], at_most=MAX_WORD_CHARS),
            x0=box.x0,
            y0=box.y0,
            x1=box.x1,
            y1=box.y1,
            confidence=optional(_fraction, data[5]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page that was read: `number` from 1, its size in points (text) or pixels (OCR).

    `confidence` is the mean of the words', by their length; None for the file's own text. `tilt` is
    how far a line falls from the left edge to the right, in fractions of the height: a photographed
    page is seldom straight. The boxes of its words are as they stand on the picture. `hidden` are
    words that the file says and the page does not show; no field is read from them. A picture that
    was `turned` by so many degrees against the clock, before it was read, has sides and boxes as
    they are then; those of fields are as they stand on the picture.
    """

    number: int
    width: float
    height: float
    words: tuple[Word, ...]
    source: Source
    confidence: float | None = None
    tilt: float = 0.0
    hidden: tuple[Word, ...] = ()
    turned: int = 0

    def to_json(self) -> dict[str, Any]:
        """Give the page as a dict of plain JSON values."""
        return {
            "number": self.number,
            "width": self.width,
            "height": self.height,
            "words": [word.to_json() for word in self.words],
            "source": self.source.value,
            "confidence": self.confidence,
            "tilt": self.tilt,
            "hidden": [word.to_json() for word in self.hidden],
            "turned": self.turned,
        }

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Take a page from decoded JSON."""
        given = take_dict(data, cls.__slots__)
        return cls(
            number=take_int(given["number"], at_least=1, at_most=MAX_PAGES),
            width=take_number(given["width"], at_least=0, at_most=MAX_SIDE),
            height=take_number(given["height"], at_least=0, at_most=MAX_SIDE),
            words=take_list(given["words"], Word.from_json, at_most=MAX_WORDS_PER_PAGE),
            source=take_member(given["source"], Source),
            confidence=optional(_fraction, given["confidence"]),
            tilt=take_number(given["tilt"], at_least=-MAX_TILT, at_most=MAX_TILT),
            hidden=take_list(given["hidden"], Word.from_json, at_most=MAX_WORDS_PER_PAGE),
            turned=take_int(given["turned"], at_least=0, at_most=MAX_TURN),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One value found: canonical (see `FieldName`), as printed, how sure (0 to 1), and where.

    `page` and `box` are None for what stands in XML.
    """

    name: FieldName
    value: str
    raw: str
    confidence: float
    page: int | None = None
    box: Box | None = None
    source: Source

    def to_json(self) -> dict[str, Any]:
        """Give the field as a dict of plain JSON values."""
        return {
            "name": self.name.value,
            "value": self.value,
            "raw": self.raw,
            "confidence": round(self.confidence, 3),
            "page": self.page,
            "box": None if self.box is None else self.box.to_json(),
            "source": self.source.value,
        }

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Take a field from decoded JSON."""
        given = take_dict(data, cls.__slots__)
        return cls(
            name=take_member(given["name"], FieldName),
            value=take_text(given["value"], at_most=MAX_VALUE_CHARS),
            raw=take_text(given["raw"], at_most=MAX_VALUE_CHARS),
            confidence=_fraction(given["confidence"]),
            page=optional(partial(take_int, at_least=1, at_most=MAX_PAGES), given["page"]),
            box=optional(Box.from_json, given["box"]),
            source=take_member(given["source"], Source),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A remark on the reading. `retry`: whether the same file may be read better another time.

    `pages` are the numbers of the pages that it is about, where it is about some and not all.
    """

    code: NoteCode
    message: str
    hint: str = ""
    retry: bool = False
    pages: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give the note as a dict of plain JSON values."""
        return {
            "code": self.code.value,
            "message": self.message,
            "hint": self.hint,
            "retry": self.retry,
            "pages": list(self.pages),
        }

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Take a note from decoded JSON."""
        given = take_dict(data, cls.__slots__)
        return cls(
            code=take_member(given["code"], NoteCode),
            message=take_text(given["message"], at_most=500),
            hint=take_text(given["hint"], at_most=500),
            retry=take_bool(given["retry"]),
            pages=take_list(given["pages"], _page_number, at_most=MAX_PAGES),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that was read of one document.

    `fields` is what the pages show and `xml_fields` what an embedded e-invoice says; the two are
    kept apart so that they can be compared. `engine` is the OCR engine that was asked, `text` for a
    document that needed none. `text` is an excerpt in reading order, a PAGE_BREAK between pages.
    """

    media_type: str
    pages_total: int
    pages_read: int
    engine: str
    engine_version: str
    status: ReadingStatus
    fields: Mapping[FieldName, Field] = field(default_factory=dict)
    xml_fields: Mapping[FieldName, Field] = field(default_factory=dict)
    text: str = ""
    notes: tuple[Note, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give the reading as a dict of plain JSON values."""
        return {
            "media_type": self.media_type,
            "pages_total": self.pages_total,
            "pages_read": self.pages_read,
            "engine": self.engine,
            "engine_version": self.engine_version,
            "status": self.status.value,
            "fields": {name.value: found.to_json() for name, found in self.fields.items()},
            "xml_fields": {name.value: found.to_json() for name, found in self.xml_fields.items()},
            "text": self.text,
            "notes": [note.to_json() for note in self.notes],
        }

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Take a reading from decoded JSON."""
        given = take_dict(data, cls.__slots__)
        return cls(
            media_type=take_text(given["media_type"], at_most=100),
            pages_total=take_int(given["pages_total"], at_least=0, at_most=MAX_PAGES_CLAIMED),
            pages_read=take_int(given["pages_read"], at_least=0, at_most=MAX_PAGES),
            engine=take_text(given["engine"], at_most=50),
            engine_version=take_text(given["engine_version"], at_most=100),
            status=take_member(given["status"], ReadingStatus),
            fields=fields_from_json(given["fields"]),
            xml_fields=fields_from_json(given["xml_fields"]),
            text=take_text(given["text"], at_most=MAX_TEXT_CHARS),
            notes=take_list(given["notes"], Note.from_json, at_most=MAX_NOTES),
        )


def fields_from_json(data: object) -> dict[FieldName, Field]:
    """Take fields by name from decoded JSON; each stands under its own name."""
    if type(data) is not dict:
        raise ValueError("these are not fields")
    found = {FieldName(name): Field.from_json(value) for name, value in data.items()}
    if any(name != value.name for name, value in found.items()):
        raise ValueError("a field stands under another's name")
    return found


def _page_number(data: object) -> int:
    return take_int(data, at_least=1, at_most=MAX_PAGES)


def _fraction(data: object) -> float:
    return take_number(data, at_least=0, at_most=1)
