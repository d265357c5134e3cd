"""What a document says where nobody sees it: whether that would change what is read.

Programs that only take the text of a file can be told another total than people. So hidden words
are no part of a page. They are worth a remark where they name a value that the pages do not show;
makers of PDFs also hide words that harm nobody, such as their own name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from proofs.readers.documents import fields
from proofs.readers.documents.facts import Field, FieldName, Note, NoteCode, Page

# What is told by a few words on their own, without what is beside them.
_ALONE = (FieldName.TOTAL, FieldName.IBAN)


def hidden_note(
    text_pages: Sequence[Page],
    shown: Mapping[FieldName, Field],
    *,
    believed: Sequence[int],
    country: str | None,
) -> tuple[Note, ...]:
    """Give a note if the hidden words name what the pages do not show.

    `text_pages` are as the file says them, `shown` what was read of what they show. `believed` are
    the pages whose hidden words had to be read, because nobody could look at the picture.
    """
    hiding = [page for page in text_pages if page.hidden]
    if not hiding:
        return ()
    alone = fields.extract([replace(page, words=page.hidden) for page in hiding], country=country)
    differs = [
        name for name in _ALONE if name in alone and _value(alone, name) != _value(shown, name)
    ]
    if not differs and not any(_is_page_of_its_own(page) for page in hiding):
        together = fields.extract(
            [replace(page, words=page.words + page.hidden) for page in text_pages], country=country
        )
        differs = [name for name in together if _value(together, name) != _value(shown, name)]
    if not differs and not believed:
        return ()
    names = ", ".join(name.value.replace("_", " ") for name in differs)
    pages = ", ".join(str(page.number) for page in hiding)
    return (
        Note(
            code=NoteCode.HIDDEN_TEXT,
            message=f"Hidden words on pages {pages}"
            + (f" name another {names}." if names else "."),
            hint="Go by what the pages show, and ask who made the document.",
        ),
    )


def _is_page_of_its_own(page: Page) -> bool:
    """Whether the hidden words are the page's text, as scanners lay it over their picture."""
    return len(page.hidden) > len(page.words)


def _value(found: Mapping[FieldName, Field], name: FieldName) -> str | None:
    return found[name].value if name in found else None
