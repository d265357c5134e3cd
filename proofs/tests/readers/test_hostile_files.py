"""Malformed and fuzzed files from public collections: each is read or refused, none does harm."""

import json
from pathlib import Path

from proofs.readers.errors import ReaderRefusal, RefusalCode
from proofs.readers.pool import ReaderPool
from proofs.tests.readers.shared_data import HOSTILE, needs_hostile

pytestmark = needs_hostile


def outcome(pool: ReaderPool, path: Path) -> str:
    try:
        pool.run("read_image", {"path": str(path)})
    except ReaderRefusal as refusal:
        return refusal.code.value
    return "read"


def test_every_hostile_file_is_read_or_refused_and_costs_no_child() -> None:
    truth = json.loads((HOSTILE / "hostile.json").read_text())
    pool = ReaderPool(children=1, jobs_per_child=1000)
    try:
        outcomes = {name: outcome(pool, HOSTILE / name) for name in truth}
        (child,) = pool._started
        assert child.jobs_done == len(truth) == 80
    finally:
        pool.close()
    for name, file in truth.items():
        assert (outcomes[name] == "read") == (file["pillow"] == "decodes"), name
    others = {
        name for name in truth if truth[name]["starts_as"] in {"riff/avi", "tiff", "bmp", "other"}
    }
    assert {outcomes[name] for name in others} == {RefusalCode.FILE_TYPE_NOT_ALLOWED}


def test_every_hostile_file_that_is_refused_leaves_no_copy(tmp_path: Path) -> None:
    truth = json.loads((HOSTILE / "hostile.json").read_text())
    pool = ReaderPool(children=1)
    made = 0
    try:
        for name in truth:
            arguments = {
                "path": str(HOSTILE / name),
                "out_path": str(tmp_path / f"{name}.jpg"),
                "max_side_px": 400,
            }
            try:
                pool.run("render_derivative", arguments)
                made += 1
            except ReaderRefusal:
                assert not (tmp_path / f"{name}.jpg").exists()
    finally:
        pool.close()
    assert made == len(list(tmp_path.iterdir())) == 10
