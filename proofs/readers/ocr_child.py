"""The child process that reads pictures of pages: `python -m proofs.readers.ocr_child`.

It opens only pictures that other children have drawn, so that what is hostile in a file ends there.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from proofs.readers.documents.ocr import OcrError, get_engine
from proofs.readers.documents.ocr.upright import OutOfTime, cpu_time_s, read_upright
from proofs.readers.documents.reading import note_of
from proofs.readers.serving import Job, serve


def _read_page(arguments: Mapping[str, Any]) -> dict[str, Any]:
    engine = get_engine(arguments["engine"])
    started_s = cpu_time_s()
    try:
        engine.load()
        # Only the page's own time counts.
        started_s = cpu_time_s()
        with Image.open(Path(arguments["path"]), formats=("JPEG", "PNG")) as picture:
            picture.load()
        read = read_upright(
            engine,
            picture,
            number=arguments["number"],
            turn=arguments["turn"],
            budget_s=arguments["budget_s"],
        )
        answer: dict[str, Any] = {"page": read.page.to_json(), "reading_s": read.reading_s}
    except OcrError as error:
        answer = {"note": note_of(error, engine).to_json()}
    except OutOfTime:
        answer = {"is_late": True}
    return answer | {"version": engine.version, "took_s": cpu_time_s() - started_s}


JOBS: Mapping[str, Job] = {"read_page": _read_page}


def main() -> None:
    """Serve the one job."""
    serve(JOBS, sys.argv[1:])


if __name__ == "__main__":
    main()
