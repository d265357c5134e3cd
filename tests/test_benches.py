"""Benchmarks on folders that hold nothing say so, and claim nothing."""

from pathlib import Path

import pytest

from bench import exif
from bench.figures import Options


def test_a_folder_whose_list_names_no_photo_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "photos.json").write_text("{}")

    with pytest.raises(SystemExit, match="there are no photos in"):
        exif.run(Options(data=tmp_path))


def test_hostile_files_are_measured_although_no_photo_is_named(tmp_path: Path) -> None:
    (tmp_path / "hostile").mkdir()
    (tmp_path / "hostile" / "empty.jpg").write_bytes(b"")

    report = exif.run(Options(data=tmp_path))

    assert [figure.name for figure in report.figures] == [
        "hostile files: answered",
        "hostile files: children lost",
    ]
    assert report.short == []
    assert "positions not measured" in report.notes[0]
