"""The child process that reads pictures: `python -m proofs.readers.child`."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from proofs.readers import image
from proofs.readers.serving import Job, serve


def _read_image(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return image.read_image(Path(arguments["path"])).to_json()


def _render_derivative(arguments: Mapping[str, Any]) -> dict[str, Any]:
    width, height = image.render_derivative(
        Path(arguments["path"]), Path(arguments["out_path"]), arguments["max_side_px"]
    )
    return {"width": width, "height": height}


JOBS: Mapping[str, Job] = {"read_image": _read_image, "render_derivative": _render_derivative}


def main() -> None:
    """Serve the jobs on pictures."""
    image.prepare_decoders()
    serve(JOBS, sys.argv[1:])


if __name__ == "__main__":
    main()
