"""Tesseract by its library, where the program's package has brought one: the models stay loaded.

The program loads its models for each page, which takes a third of a second; this does it once in
the life of a child. The functions are those of Tesseract's C interface (capi.h), versions 4 and 5.
"""

import atexit
import ctypes
import functools
import os

from PIL import Image

_NAMES = ("libtesseract.so.5", "libtesseract.so.4")
# What the program writes over its table, and the library leaves out.
_COLUMNS = "level page_num block_num par_num line_num word_num left top width height conf text"
_HEADING = "\t".join(_COLUMNS.split()) + "\n"


class LibraryFailed(Exception):
    """The library is there, and gave no words for a page."""


class Library:
    """A loaded Tesseract with its languages. One page after the other."""

    def __init__(self, functions: ctypes.CDLL, handle: int, page_segmentation: int) -> None:
        """Hold a handle that was initialised."""
        self._functions = functions
        self._handle = ctypes.c_void_p(handle)
        self._page_segmentation = page_segmentation

    def read(self, picture: Image.Image, *, dpi: int) -> str:
        """Give the table of words of a page in grey, as the program gives it.

        Raises LibraryFailed where it gives up.
        """
        call, handle = self._functions, self._handle
        # The library reads the pixels where they are, so they must live until it has done so.
        pixels = picture.tobytes()
        call.TessBaseAPISetPageSegMode(handle, self._page_segmentation)
        call.TessBaseAPISetImage(handle, pixels, picture.width, picture.height, 1, picture.width)
        call.TessBaseAPISetSourceResolution(handle, dpi)
        try:
            if call.TessBaseAPIRecognize(handle, None) != 0:
                raise LibraryFailed
            text = call.TessBaseAPIGetTsvText(handle, 0)
            if not text:
                raise LibraryFailed
            table = ctypes.string_at(text).decode("utf-8", "replace")
            call.TessDeleteText(text)
        finally:
            call.TessBaseAPIClear(handle)
        return _HEADING + table


@functools.cache
def library(languages: str, page_segmentation: int) -> Library | None:
    """Give the library with these languages loaded; None where there is none that works."""
    # OpenMP looks at it when it is loaded: as many children run as there are cores.
    os.environ.setdefault("OMP_THREAD_LIMIT", "1")
    functions = _functions()
    if functions is None:
        return None
    handle = functions.TessBaseAPICreate()
    if not handle or functions.TessBaseAPIInit3(handle, None, languages.encode()) != 0:
        return None
    # Else it complains at the end of the models that nobody gave back.
    atexit.register(functions.TessBaseAPIDelete, handle)
    return Library(functions, handle, page_segmentation)


def _functions() -> ctypes.CDLL | None:
    for name in _NAMES:
        try:
            found = ctypes.CDLL(name)
            _declare(found)
        except (OSError, AttributeError):
            continue
        return found
    return None


def _declare(found: ctypes.CDLL) -> None:
    """Say what each function takes and gives: a pointer that is taken for a number loses half."""
    pointer, number, text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
    for name, takes, gives in (
        ("TessBaseAPICreate", [], pointer),
        ("TessBaseAPIInit3", [pointer, text, text], number),
        ("TessBaseAPISetPageSegMode", [pointer, number], None),
        ("TessBaseAPISetImage", [pointer, text, number, number, number, number], None),
        ("TessBaseAPISetSourceResolution", [pointer, number], None),
        ("TessBaseAPIRecognize", [pointer, pointer], number),
        ("TessBaseAPIGetTsvText", [pointer, number], pointer),
        ("TessDeleteText", [pointer], None),
        ("TessBaseAPIClear", [pointer], None),
        ("TessBaseAPIDelete", [pointer], None),
    ):
        function = getattr(found, name)
        function.argtypes, function.restype = takes, gives
