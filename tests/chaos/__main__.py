"""`make chaos`: kill everything, again and again, and look whether the money is right."""

import argparse
import secrets
import sys

from kobatela.embedded.supervisor import stop_signals_interrupt
from tests.chaos.broken_builds import BUILDS
from tests.chaos.nemesis import Quota
from tests.chaos.run import Plan, run_chaos


def main() -> int:
    """Run once; 1 when anything is wrong."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--kills", type=int, default=200, help="of web, worker and beat")
    parser.add_argument("--database-kills", type=int, default=10)
    parser.add_argument("--wipes", type=int, default=20, help="of Valkey")
    parser.add_argument("--travellers", type=int, default=4, help="senders at work at once")
    parser.add_argument("--build", choices=["", *BUILDS], default="", help="break it on purpose")
    given = parser.parse_args()
    seed = secrets.randbelow(2**31) if given.seed is None else given.seed
    print(f"make chaos SEED={seed}", flush=True)
    plan = Plan(
        seed=seed,
        quota=Quota(given.kills, given.database_kills, given.wipes),
        travellers=given.travellers,
        replays=1_000,
        build=given.build,
    )
    with stop_signals_interrupt():
        report = run_chaos(plan, say=lambda line: print(f"  {line}", flush=True))
    print(report)
    print("everything held" if report.is_clean else f"NOT everything held; SEED={seed}")
    return 0 if report.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
