"""Lines put together from the places of words."""

from dataclasses import replace

import pytest

from proofs.readers.documents.facts import Source, Word
from proofs.readers.documents.layout import lines_of, plain
from proofs.tests.readers.documents import paper


def test_words_are_read_by_their_places_whatever_their_order_in_the_file() -> None:
    page = paper.page("Facture   FA-1", "", "Net HT      80,00", "Total      100,00")
    words = sorted(page.words, key=lambda word: word.text[::-1])
    assert words != list(page.words)
    expected = ["Facture  FA-1", "Net HT  80,00", "Total  100,00"]
    assert [line.text for line in lines_of(replace(page, words=tuple(words)))] == expected


def test_a_run_of_words_from_ocr_is_taken_apart_in_proportion() -> None:
    line = lines_of(paper.page("Total TTC", source=Source.OCR))[0]
    assert [word.text for word in line.words] == ["Total", "TTC"]
    assert line.words[1].x0 == pytest.approx(6 / paper.COLUMNS)
    assert line.words[1].x1 == pytest.approx(9 / paper.COLUMNS)


@pytest.mark.parametrize("tilt", [-0.05, 0.05])
def test_lines_of_a_tilted_photo_stay_together(tilt: float) -> None:
    rows = [f"Item {number}" + " " * 60 + f"{number}.00" for number in range(10, 30)]
    straight = [line.text for line in lines_of(paper.page(*rows, source=Source.OCR))]
    page = paper.page(*["", "", "", *rows], source=Source.OCR, tilt=tilt)
    assert [line.text for line in lines_of(page)] == straight
    untold = [line.text for line in lines_of(replace(page, tilt=0.0))]
    assert untold != straight, "the tilt is what keeps them together"


def test_a_large_logo_does_not_join_the_lines_beside_it() -> None:
    page = paper.page("          12 rue du Port", "          Dakar")
    logo = Word(text="ACME", x0=0.0, y0=0.0, x1=0.08, y1=0.1)
    page = replace(page, words=(logo, *page.words))
    assert {line.text for line in lines_of(page)} == {"ACME", "12 rue du Port", "Dakar"}


def test_letters_that_ocr_took_for_digits_are_mended_in_amounts_only() -> None:
    page = paper.page("BOB  1O.5O  RMO.02  S9.90  RM21.B3  SOS", source=Source.OCR)
    assert lines_of(page)[0].text.split() == ["BOB", "10.50", "RM0.02", "$9.90", "RM21.83", "SOS"]
    as_text = replace(page, source=Source.TEXT)
    assert "1O.5O" in lines_of(as_text)[0].text, "a file's own text is not mended"


def test_plain_text_is_as_long_as_the_text() -> None:
    text = "Échéance: Gemäß Straße Œuvre 5\N{NARROW NO-BREAK SPACE}000 ﬁn"
    assert len(plain(text)) == len(text)
    assert plain("Échéance Gemäß Œuvre") == "echeance gemas ouvre"


def test_a_stretch_of_a_line_has_the_box_of_its_words_and_the_worst_confidence() -> None:
    page = paper.page("Total 12.00  RM", source=Source.OCR, confidence=0.9)
    words = (page.words[0], replace(page.words[1], confidence=0.7))
    line = lines_of(replace(page, words=words))[0]
    box = line.box(line.text.index("12"), line.text.index("12") + 5)
    assert [box.x0, box.x1] == pytest.approx([0.06, 0.11])
    assert line.confidence(0, 5) == 0.9
    assert line.confidence(0, len(line.text)) == 0.7


def test_an_empty_page_has_no_lines() -> None:
    assert lines_of(paper.page()) == ()


@pytest.mark.parametrize(
    ("left", "right", "text"),
    [
        ("KB-", "77", "KB-77"),
        ("77-", "B", "77-B"),
        ("Chau", "ffage", "Chauffage"),
        ("Total", "77,00", "Total 77,00"),
        ("77,00", "99,00", "77,00 99,00"),
    ],
)
def test_a_word_that_a_file_draws_in_pieces_is_one(left: str, right: str, text: str) -> None:
    across = [0.1, 0.2, 0.3]
    words = tuple(
        Word(text=part, x0=across[i], x1=across[i + 1], y0=0.1, y1=0.12)
        for i, part in enumerate((left, right))
    )
    page = replace(paper.page(), words=words)
    line = lines_of(page)[0]
    assert line.text == text
    assert line.box(len(text) - 1, len(text)).x0 == pytest.approx(0.2)
    apart = replace(page, words=(words[0], replace(words[1], x0=0.21)))
    assert lines_of(apart)[0].text == f"{left} {right}"
    assert lines_of(replace(page, source=Source.OCR))[0].text == f"{left} {right}"
    twice = replace(page, words=(words[0], replace(words[1], x0=0.101)))
    assert lines_of(twice)[0].text == f"{left} {right}", "what is drawn twice is no piece"
