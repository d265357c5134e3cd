"""The engines by name. Their libraries are loaded when the first page is read, and not before."""

import functools

from proofs.readers.documents.ocr.base import Engine, EngineName
from proofs.readers.documents.ocr.none import NoEngine
from proofs.readers.documents.ocr.rapid import RapidEngine
from proofs.readers.documents.ocr.tesseract import TesseractEngine


@functools.cache
def get_engine(name: str) -> Engine:
    """Give the engine of a name, always the same one. Raises ValueError for an unknown name."""
    match EngineName(name):
        case EngineName.RAPIDOCR:
            return RapidEngine()
        case EngineName.TESSERACT:
            return TesseractEngine()
        case EngineName.NONE:
            return NoEngine()
