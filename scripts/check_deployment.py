"""Checks Dockerfile, docker-compose.yml and .env.example without Docker."""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from scripts import dockerfile

_SERVICES = frozenset({"postgres", "redis", "migrate", "web", "worker", "beat", "psp"})
_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)")
_SECRET_NAME = re.compile(r"SECRET|PASSWORD|PEPPER|_KEY$")
# Refused when unset, or optional and then empty; never with a value of its own.
_TAKEN_FROM_OUTSIDE = re.compile(r"\$\{\w+:(\?|-\})")
_EXAMPLE_LINE = re.compile(r"^(?:# ?)?([A-Z][A-Z0-9_]*)=", re.MULTILINE)


def example_names(text: str) -> set[str]:
    """The variables that .env.example names, set or commented out."""
    return set(_EXAMPLE_LINE.findall(text))


def compose_variables(text: str) -> set[str]:
    """The variables that docker-compose.yml takes from its environment."""
    return set(_VARIABLE.findall(text))


def compose_problems(text: str, context: Path, documented: set[str]) -> Iterator[str]:
    """One sentence for each mistake in docker-compose.yml."""
    try:
        whole = yaml.safe_load(text)
    except yaml.YAMLError as error:
        yield f"it is not YAML: {error}"
        return
    services: Mapping[str, Mapping[str, Any]] = whole.get("services", {})
    for name in sorted(_SERVICES - services.keys()):
        yield f"the service {name} is missing"
    for name, service in services.items():
        for problem in _service_problems(service, services, whole.get("volumes", {}), context):
            yield f"{name}: {problem}"
    if services.get("psp", {}).get("profiles") != ["dev"]:
        yield "psp: the sandbox belongs to the profile dev only"
    for name in sorted(compose_variables(text) - documented):
        yield f"{name} is not in .env.example"


def _service_problems(
    service: Mapping[str, Any],
    services: Mapping[str, Any],
    volumes: Mapping[str, Any],
    context: Path,
) -> Iterator[str]:
    if "image" not in service and "build" not in service:
        yield "it has neither image nor build"
    if "healthcheck" not in service and "build" not in service:
        yield "it has no health check"
    for needed, condition in service.get("depends_on", {}).items():
        yield from _dependency_problems(needed, condition["condition"], services)
    for volume in service.get("volumes", ()):
        source = volume.split(":")[0]
        is_there = (context / source).exists() if source.startswith(".") else source in volumes
        if not is_there:
            yield f"{source} is neither a file nor a declared volume"
    for name, value in service.get("environment", {}).items():
        if _holds_secret(name, str(value)) and not _TAKEN_FROM_OUTSIDE.search(str(value)):
            yield f"{name} holds a secret; it must come from the environment, without default"


def _dependency_problems(needed: str, condition: str, services: Mapping[str, Any]) -> Iterator[str]:
    if needed not in services:
        yield f"it depends on {needed}, which does not exist"
    elif condition == "service_healthy" and not services[needed].get("healthcheck"):
        yield f"it waits for the health of {needed}, which has no check"


def _holds_secret(name: str, value: str) -> bool:
    """Whether the variable is a secret by its name, or a URL with a password in it."""
    return bool(_SECRET_NAME.search(name)) or (name.endswith("_URL") and "@" in value)


def main() -> int:
    """Print every mistake; return 1 if there is one."""
    here = Path()
    documented = example_names(Path(".env.example").read_text())
    found = [
        *(
            f"Dockerfile: {line}"
            for line in dockerfile.problems(Path("Dockerfile").read_text(), here)
        ),
        *(
            f"docker-compose.yml: {line}"
            for line in compose_problems(Path("docker-compose.yml").read_text(), here, documented)
        ),
    ]
    for line in found:
        print(line)
    print(f"deployment: {len(found)} problems")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
