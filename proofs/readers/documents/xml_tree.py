"""XML from strangers, as a tree of local names. Document types, and so entities, are refused.

Expat expands entities that a document type declares, a few bytes into gigabytes or another file. No
e-invoice has one; with none allowed there is nothing to expand. Depth and size are capped besides.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

MAX_BYTES = 5_000_000
MAX_DEPTH = 40
MAX_ELEMENTS = 200_000
_SEPARATOR = "}"


class XmlRefused(Exception):
    """These bytes are no XML, or such as nobody here will read."""


@dataclass(slots=True)
class Element:
    """An element with its name and attributes, both without namespace, and its own text."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def all(self, *path: str) -> Iterator["Element"]:
        """Give the elements at the end of a path of names."""
        if not path:
            yield self
            return
        for child in self.children:
            if child.name == path[0]:
                yield from child.all(*path[1:])

    def first(self, *path: str) -> "Element | None":
        """Give the first element at the end of a path of names."""
        return next(self.all(*path), None)

    def text_at(self, *path: str) -> str:
        """Give the text of the first element at the end of a path, empty where there is none."""
        found = self.first(*path)
        return " ".join(found.text.split()) if found else ""


def parse_xml(data: bytes) -> Element:
    """Give the root element. Raises XmlRefused."""
    if len(data) > MAX_BYTES:
        raise XmlRefused("too large")
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = builder.refuse_document_type
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.characters
    try:
        parser.Parse(data, True)  # noqa: FBT003 -- expat takes it by place only
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise XmlRefused(str(error)) from error
    if builder.root is None:
        raise XmlRefused("no element")
    return builder.root


class _Builder:
    """Builds the tree from the parser's events."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._elements = 0

    def refuse_document_type(self, *_: object) -> None:
        raise XmlRefused("it declares a document type")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS or len(self._open) >= MAX_DEPTH:
            raise XmlRefused("too many elements, or too deep")
        element = Element(_local(name), {_local(key): value for key, value in attributes.items()})
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def characters(self, text: str) -> None:
        self._open[-1].text += text


def _local(name: str) -> str:
    return name.rpartition(_SEPARATOR)[2]
