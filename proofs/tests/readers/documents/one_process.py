"""Reading as a worker does it, with the children's jobs done in this process and engines given."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from proofs.readers import child, document_reading, ocr_child, parser_child, pool
from proofs.readers.documents.facts import Reading
from proofs.readers.documents.ocr import Engine
from proofs.readers.serving import Job
from proofs.readers.sniff import SNIFF_BYTES, sniff


def read_document(
    path: Path,
    *,
    engine: Engine,
    second: Engine | None = None,
    ocr_max_pages: int = 5,
    country: str | None = None,
) -> Reading:
    """What comes of a document where these are the engines of the installation."""
    engines = {one.name.value: one for one in (engine, second) if one is not None}
    media_type = sniff(path.read_bytes()[:SNIFF_BYTES])
    assert media_type is not None
    with pytest.MonkeyPatch.context() as patch:
        for readers, module in (
            (document_reading._parsers, parser_child),
            (document_reading._engines, ocr_child),
            (pool._default_pool, child),
        ):
            patch.setattr(readers, "run", _run(module.JOBS))
        patch.setattr(ocr_child, "get_engine", engines.__getitem__)
        patch.setattr(
            document_reading, "_other_engine", lambda _: second.name.value if second else None
        )
        return document_reading.read_document(
            path,
            media_type=media_type,
            engine=engine.name.value,
            ocr_max_pages=ocr_max_pages,
            country=country,
            with_second=second is not None,
        )


def _run(jobs: Mapping[str, Job]) -> Callable[..., Any]:
    """Do a job here; what goes in and comes out is what can pass through a pipe."""

    def run(job: str, arguments: Mapping[str, Any], **_limits: Any) -> Any:
        return json.loads(json.dumps(jobs[job](json.loads(json.dumps(arguments)))))

    return run
