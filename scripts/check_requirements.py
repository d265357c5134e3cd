"""Checks that the pinned requirements belong to the short lists, agree, and name no machine."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

_PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;]+)(?:\s*;.*)?")
_WANTED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MACHINE = re.compile(r"://|--(?:index-url|extra-index-url|find-links|trusted-host)|(?:^|\s)/\w")


def canonical(name: str) -> str:
    """The one spelling of a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted(short_list: str) -> set[str]:
    """The packages that a short list asks for."""
    lines = (line.partition("#")[0].strip() for line in short_list.splitlines())
    names = (_WANTED.match(line) for line in lines if line and not line.startswith("-"))
    return {canonical(name.group()) for name in names if name}


def pins(file_name: str, pinned: str, problems: list[str]) -> dict[str, str]:
    """The pinned versions by name; every line that pins nothing is added to the problems."""
    found: dict[str, str] = {}
    for number, line in enumerate(pinned.splitlines(), start=1):
        if _MACHINE.search(line):
            problems.append(f"{file_name}:{number}: names a place: {line.strip()}")
        text = line.partition("#")[0].strip()
        if not text:
            continue
        match = _PIN.fullmatch(text)
        if match is None:
            problems.append(f"{file_name}:{number}: not one pinned package: {text}")
        else:
            found[canonical(match["name"])] = match["version"]
    return found


def problems_of(short: str, pinned: str, short_dev: str, pinned_dev: str) -> Iterator[str]:
    """One sentence for each thing that does not fit."""
    problems: list[str] = []
    main_pins = pins("requirements.txt", pinned, problems)
    dev_pins = pins("requirements-dev.txt", pinned_dev, problems)
    yield from problems
    for name in sorted(wanted(short) - main_pins.keys()):
        yield f"requirements.txt lacks {name}; run make requirements"
    for name in sorted(wanted(short_dev) - dev_pins.keys()):
        yield f"requirements-dev.txt lacks {name}; run make requirements"
    for name in sorted(main_pins.keys() & dev_pins.keys()):
        if main_pins[name] != dev_pins[name]:
            yield f"{name} is {main_pins[name]} in one file and {dev_pins[name]} in the other"


def main() -> int:
    """Print what does not fit; return 1 if anything does not."""
    names = ("requirements.in", "requirements.txt", "requirements-dev.in", "requirements-dev.txt")
    found = list(problems_of(*(Path(name).read_text() for name in names)))
    for line in found:
        print(line)
    print(f"requirements: {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
