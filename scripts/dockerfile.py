"""Reads a Dockerfile well enough to find mistakes without Docker."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_INSTRUCTIONS = frozenset({
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL",
    "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
})  # fmt: skip
_SECRET = re.compile(r"(?i)(secret|password|pepper|token|api_key)\w*=")


@dataclass(frozen=True)
class Instruction:
    """One instruction with its line number; continuation lines are joined."""

    line: int
    name: str
    value: str


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions of a Dockerfile, comments left out. Raises ValueError on nonsense."""
    pending, started = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith("#") or not (stripped or pending):
            continue
        started = started or number
        pending += stripped.removesuffix("\\") + " "
        if stripped.endswith("\\"):
            continue
        name, _, value = pending.strip().partition(" ")
        if name not in _INSTRUCTIONS:
            raise ValueError(f"line {started}: {name} is not an instruction")
        yield Instruction(started, name, value.strip())
        pending, started = "", 0
    if pending:
        raise ValueError(f"line {started}: the file ends in the middle of an instruction")


def problems(text: str, context: Path) -> Iterator[str]:
    """One sentence for each mistake. `context` is the folder that the image is built from."""
    try:
        found = list(instructions(text))
    except ValueError as error:
        yield str(error)
        return
    if not found or found[0].name not in {"FROM", "ARG"}:
        yield "line 1: an image begins with FROM"
    stages = {stage for each in found for stage in _stage_names(each)}
    for each in found:
        for problem in _problems_of(each, stages, context):
            yield f"line {each.line}: {problem}"
    yield from _problems_of_the_image(found)


def _stage_names(instruction: Instruction) -> list[str]:
    if instruction.name != "FROM":
        return []
    return re.findall(r" AS (\S+)", instruction.value, re.IGNORECASE)


def _problems_of(instruction: Instruction, stages: set[str], context: Path) -> Iterator[str]:
    match instruction.name:
        case "FROM" if not re.match(r"[\w./-]+:[\w.-]+", instruction.value):
            yield "FROM names no version"
        case "COPY":
            yield from _copy_problems(instruction.value, stages, context)
        case "ADD":
            yield "ADD may fetch from anywhere; use COPY"
        case "CMD" | "ENTRYPOINT" if not _is_list_of_words(instruction.value):
            yield f"{instruction.name} is not a list of words"
        case "ENV" | "ARG" if _SECRET.search(instruction.value):
            yield "a secret would stay in the image"


def _problems_of_the_image(found: list[Instruction]) -> Iterator[str]:
    last_from = max((i for i, each in enumerate(found) if each.name == "FROM"), default=0)
    final = {each.name: each.value for each in found[last_from:]}
    if final.get("USER", "root").split(":")[0] in {"root", "0"}:
        yield "the image runs as root"
    for name in ("HEALTHCHECK", "CMD"):
        if name not in final:
            yield f"the image lacks {name}"


def _copy_problems(value: str, stages: set[str], context: Path) -> Iterator[str]:
    options = [word for word in value.split() if word.startswith("--")]
    sources = [word for word in value.split() if not word.startswith("--")][:-1]
    origins = [word.partition("=")[2] for word in options if word.startswith("--from=")]
    yield from (f"there is no stage {origin}" for origin in origins if origin not in stages)
    if not origins:
        yield from (f"{each} does not exist" for each in sources if not list(context.glob(each)))


def _is_list_of_words(value: str) -> bool:
    try:
        words = json.loads(value)
    except ValueError:
        return False
    return isinstance(words, list) and all(isinstance(word, str) for word in words)
