"""How much of a PDF's page is pictures.

A scan is a picture over the whole page, and whatever text the file has beside it is not what people
look at: a scanner's own layer, its maker's footer, or a lie under the picture.
"""

from collections.abc import Iterator

import numpy as np
import pypdfium2
from pypdfium2 import raw

# A page of which pictures cover more is a picture itself.
SHARE_OF_A_PICTURE = 0.5
# Scanners cut a page into strips; a page with more objects than this is not looked through.
MAX_OBJECTS = 50_000
MAX_DEPTH = 5
# Into how many cells each side of the page is parted to add up what pictures cover.
_CELLS = 200

_Box = tuple[float, float, float, float]


def is_picture(page: pypdfium2.PdfPage) -> bool:
    """Whether pictures cover more than half of the page, also in strips and inside forms.

    True as well for a page of more objects than are looked through, so that nothing hides there.
    """
    left, bottom, right, top = page.get_bbox()
    if not (right > left and top > bottom):
        return False
    covered = np.zeros((_CELLS, _CELLS), dtype=bool)
    for place, (kind, box) in enumerate(_objects(page, page, pypdfium2.PdfMatrix(), 0)):
        if place >= MAX_OBJECTS:
            return True
        if kind == raw.FPDF_PAGEOBJ_IMAGE:
            columns = slice(_cell(box[0], left, right), _cell(box[2], left, right))
            rows = slice(_cell(box[1], bottom, top), _cell(box[3], bottom, top))
            covered[rows, columns] = True
    return float(covered.mean()) > SHARE_OF_A_PICTURE


def _cell(place: float, low: float, high: float) -> int:
    return round(_CELLS * min(1.0, max(0.0, (place - low) / (high - low))))


def _objects(
    page: pypdfium2.PdfPage,
    parent: pypdfium2.PdfPage | pypdfium2.PdfObject,
    to_page: pypdfium2.PdfMatrix,
    depth: int,
) -> Iterator[tuple[int, _Box]]:
    """Give every object with its kind and where on the page it is.

    PDFium gives the places of what is inside a form as the form itself counts them.
    """
    if depth:
        count, get = raw.FPDFFormObj_CountObjects, raw.FPDFFormObj_GetObject
    else:
        count, get = raw.FPDFPage_CountObjects, raw.FPDFPage_GetObject
    for index in range(count(parent)):
        one = pypdfium2.PdfObject(get(parent, index), page=page, pdf=page.pdf)
        if one.type == raw.FPDF_PAGEOBJ_FORM and depth < MAX_DEPTH:
            yield one.type, (0.0, 0.0, 0.0, 0.0)
            yield from _objects(page, one, one.get_matrix().multiply(to_page), depth + 1)
        else:
            yield one.type, to_page.on_rect(*one.get_bounds())
