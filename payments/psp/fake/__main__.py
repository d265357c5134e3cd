"""`python -m payments.psp.fake`: run the PSP until it is told to end."""

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from payments.psp.fake.server import FakePspServer


def main() -> int:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m payments.psp.fake", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", type=Path, required=True, help="the file of its books")
    parser.add_argument("--webhook-url", required=True)
    parser.add_argument(
        "--webhook-secret",
        default=os.environ.get("PSP_WEBHOOK_SECRET", ""),
        help="default: PSP_WEBHOOK_SECRET, which no list of processes shows",
    )
    parser.add_argument("--settle-after", type=float, default=0.2, metavar="SECONDS")
    parser.add_argument(
        "--fee-bps", type=int, default=0, help="what it charges, in hundredths of a percent"
    )
    given = parser.parse_args()
    if not given.webhook_secret:
        parser.error("a webhook secret is needed: --webhook-secret or PSP_WEBHOOK_SECRET")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    server = FakePspServer(
        database=given.database,
        webhook_url=given.webhook_url,
        webhook_secret=given.webhook_secret,
        host=given.host,
        port=given.port,
        settle_after_s=given.settle_after,
        fee_bps=given.fee_bps,
    )

    def end(*_: Any) -> None:
        # In a thread of its own: the one that serves cannot wait for itself.
        threading.Thread(target=server.stop).start()

    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, end)
    logging.getLogger(__name__).info("the PSP listens on port %s", server.port)
    server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
