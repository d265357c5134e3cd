"""Checks that functions and modules stay small.

At most 60 lines a function, 400 a module, 600 a module of tests. Migrations are left out:
nobody reads them twice.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 400
TEST_MODULE_LINES_MAX = 600


def python_files() -> list[Path]:
    """Every Python file of the repository, new ones included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    paths = [Path(line) for line in listed.splitlines()]
    return [path for path in paths if path.exists() and "migrations" not in path.parts]


def oversized(path: Path, source: str) -> Iterator[str]:
    """One sentence for each thing that is too long."""
    is_test = "tests" in path.parts or path.name == "conftest.py"
    lines_max = TEST_MODULE_LINES_MAX if is_test else MODULE_LINES_MAX
    lines = source.count("\n")
    if lines > lines_max:
        yield f"{path}: {lines} lines; a module has at most {lines_max}"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                yield (
                    f"{path}:{node.lineno}: {node.name} has {length} lines; "
                    f"a function has at most {FUNCTION_LINES_MAX}"
                )


def main() -> int:
    """Print what is too long; return 1 if anything is."""
    files = python_files()
    found = [line for path in files for line in oversized(path, path.read_text())]
    for line in found:
        print(line)
    print(f"shape: {len(files)} files, {len(found)} too long")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
