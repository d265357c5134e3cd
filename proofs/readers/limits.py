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


# A parser holds one PDF with all that PDFium makes of it, and one rendered page.
# Thirty scans with text behind them, 24 MB, take it more than six seconds.
PARSER_LIMITS = ChildLimits(address_space_bytes=700_000_000, cpu_s=12)
PARSER_TIMEOUT_S = 18.0
# An OCR engine with its models; its address space is larger than what it ever fills.
OCR_LIMITS = ChildLimits(address_space_bytes=1_200_000_000, cpu_s=60)
OCR_TIMEOUT_S = 90.0
# CPU time that reading of one document may take in all, with every turning and both engines; alone
# on a core, that is the time on the wall.
OCR_BUDGET_S = 17.0
# How much longer it may take where others want the core too.
OCR_WALL_PER_CPU = 3.0
OCR_WALL_MAX_S = 240.0
# What an engine gets beyond it before it is killed: it may be in a step that cannot be interrupted.
OCR_GRACE_S = 2.0
# What loading of its models may take besides: that is the first page's by chance alone.
OCR_LOADING_S = 8.0
# With less left no page is begun: an engine that is killed has to load its models again.
OCR_LEAST_S = 2.0
# As large as a page at 300 dpi; an engine makes smaller what it takes less of.
OCR_SIDE_PX = 3508


def part_path(out_path: Path) -> Path:
    """Give the path under which a file is written before it is whole."""
    return out_path.with_name(f"{out_path.name}.part")
