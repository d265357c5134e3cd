"""Where the documents are that benchmarks read."""

from pathlib import Path

from bench.figures import Options, Report

_BESIDE_THE_REPOSITORY = Path(__file__).resolve().parents[2] / "shared" / "data"


def data_folder(options: Options) -> Path:
    """The folder that was asked for, or the one beside the repository."""
    return options.data or _BESIDE_THE_REPOSITORY


def missing(bench: str, folder: Path, what: str) -> Report:
    """The report of a benchmark that had nothing to read. It claims nothing."""
    if folder != _BESIDE_THE_REPOSITORY:
        raise SystemExit(f"{bench}: there are no {what} in {folder}")
    return Report(bench, [], [f"not measured: there are no {what} in {folder.name}; use --data"])
