"""What was read in a document, on its way from the child to the database."""

import json
from typing import Any

import pytest

from proofs.readers.documents.facts import (
    Box,
    Field,
    FieldName,
    Note,
    NoteCode,
    Page,
    Reading,
    ReadingStatus,
    Source,
    Word,
)

BOX = Box(x0=0.7, y0=0.8, x1=0.9, y1=0.82)
TOTAL = Field(
    name=FieldName.TOTAL,
    value="1000.50",
    raw="1 000,50 €",
    confidence=0.9,
    page=1,
    box=BOX,
    source=Source.OCR,
)
READING = Reading(
    media_type="application/pdf",
    pages_total=7,
    pages_read=5,
    engine="rapidocr",
    engine_version="3.10.0",
    status=ReadingStatus.READ,
    fields={FieldName.TOTAL: TOTAL},
    xml_fields={},
    text="Total 1 000,50 €",
    notes=(Note(code=NoteCode.PAGES_NOT_READ, message="Pages 6 to 7 were not read."),),
)
WORD = Word(text="Total", x0=0.1, y0=0.8, x1=0.2, y1=0.82, confidence=0.99)
PAGE = Page(number=1, width=595.0, height=842.0, words=(WORD,), source=Source.OCR, confidence=0.99)


def test_a_reading_and_a_page_survive_json() -> None:
    written = json.dumps(READING.to_json(), allow_nan=False)
    assert Reading.from_json(json.loads(written)) == READING
    assert Page.from_json(json.loads(json.dumps(PAGE.to_json()))) == PAGE


@pytest.mark.parametrize(
    "changes",
    [
        {"pages_total": "7"},
        {"pages_total": True},
        {"pages_read": 31},
        {"status": "certain"},
        {"text": "x" * 20_001},
        {"text": "half a pair \ud800"},
        {"text": "nul \0"},
        {"notes": {}},
        {"notes": [READING.notes[0].to_json()] * 51},
        {"notes": [{**READING.notes[0].to_json(), "retry": 1}]},
        {"fields": {"date": TOTAL.to_json()}},
        {"fields": {"colour": TOTAL.to_json()}},
        {"fields": {"total": {**TOTAL.to_json(), "confidence": 1.5}}},
        {"fields": {"total": {**TOTAL.to_json(), "confidence": float("nan")}}},
        {"fields": {"total": {**TOTAL.to_json(), "page": 0}}},
        {"fields": {"total": {**TOTAL.to_json(), "box": [0.9, 0.8, 0.7, 0.82]}}},
        {"fields": {"total": {**TOTAL.to_json(), "box": [0.7, 0.8, 0.9]}}},
        {"fields": {"total": {**TOTAL.to_json(), "value": 1000.5}}},
        {"fields": []},
        {"extra": 1},
    ],
)
def test_a_reading_of_another_shape_is_not_taken(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- of the enum or our own
        Reading.from_json({**READING.to_json(), **changes})


@pytest.mark.parametrize(
    "word",
    [
        None,
        ["Total", 0.1, 0.8, 0.2, 0.82],
        ["Total", 0.1, 0.8, 0.2, 1.82, None],
        ["Total", "0.1", 0.8, 0.2, 0.82, None],
        ["x" * 301, 0.1, 0.8, 0.2, 0.82, None],
        [7, 0.1, 0.8, 0.2, 0.82, None],
    ],
)
def test_a_word_of_another_shape_is_not_taken(word: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- of whichever part is wrong
        Page.from_json({**PAGE.to_json(), "words": [word]})


@pytest.mark.parametrize("data", [None, [], {}, "reading", {"text": ""}])
def test_what_is_no_reading_is_not_taken(data: object) -> None:
    with pytest.raises(ValueError, match="not an object"):
        Reading.from_json(data)
