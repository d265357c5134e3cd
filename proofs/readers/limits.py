"""What a child that parses untrusted files may use, and what parent and child agree on."""

from dataclasses import dataclass
from pathlib import Path

DERIVATIVE_SIDE_PX = 1600


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildLimits:
    """The limits of one child.

    The address space holds a picture of 50 megapixels in every accepted format; WebP needs most of
    it, 1.0 GB, and a progressive JPEG less than half. The CPU time is for one job; the child raises
    its own limit before each. A picture of 50 megapixels takes about two seconds at most.
    """

    address_space_bytes: int = 1_073_741_824
    cpu_s: int = 15
    file_size_bytes: int = 32_000_000
    open_files: int = 32


def part_path(out_path: Path) -> Path:
    """Give the path under which a file is written before it is whole."""
    return out_path.with_name(f"{out_path.name}.part")
