"""The engine that reads nothing: for installations that want no OCR."""

from typing import NoReturn

from PIL import Image

from proofs.readers.documents.ocr.base import EngineName, OcrError, WholePages


class NoEngine(WholePages):
    """OCR is switched off."""

    name = EngineName.NONE
    version = ""

    def read(self, picture: Image.Image, *, number: int) -> NoReturn:
        """Raise OcrError: a person has to read the page."""
        raise OcrError(
            f"Page {number} is a picture, and pictures are not read here.",
            hint="Set INVOICE_OCR_PROVIDER to rapidocr or tesseract to have them read.",
            retry=False,
            is_available=False,
        )
