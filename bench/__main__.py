"""`python -m bench NAME [--json] [--data DIR]`; exits 1 when a required figure falls short."""

import argparse
import json
import sys
from pathlib import Path

from bench.figures import Options, Report, table, verdict
from bench.registry import BENCHES

_ALL = "all"


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks that were named and say how they went."""
    chosen = _parse(arguments)
    names = list(BENCHES) if chosen.name == _ALL else [chosen.name]
    options = Options(data=chosen.data, quick=chosen.quick)
    reports: list[Report] = []
    for name in names:
        print(f"running {name} …", file=sys.stderr, flush=True)
        reports.append(BENCHES[name](options))
    if chosen.json:
        print(json.dumps([report.as_json() for report in reports], indent=2))
    else:
        print(table(reports))
    # Under --json the last line goes where it does not spoil the document.
    print(verdict(reports), file=sys.stderr if chosen.json else sys.stdout)
    return 1 if any(report.short for report in reports) else 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", choices=[*BENCHES, _ALL])
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--data", type=Path, default=None, help="a folder laid out like data/")
    parser.add_argument("--quick", action="store_true", help="short runs, to see that it works")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
