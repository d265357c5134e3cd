"""OCR engines behind one interface: `get_engine(name)`."""

from proofs.readers.documents.ocr.base import Engine, EngineName, NamedEngine, OcrError
from proofs.readers.documents.ocr.registry import get_engine

__all__ = ["Engine", "EngineName", "NamedEngine", "OcrError", "get_engine"]
