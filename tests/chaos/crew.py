"""A thread of a run, whose end by an error is never silent."""

import threading
import traceback
from collections.abc import Callable


class Hand(threading.Thread):
    """Does `work`; what ends it before its time goes to `complain`, with the last of its calls."""

    def __init__(
        self, name: str, work: Callable[[], None], complain: Callable[[str], None]
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._complain = complain

    def run(self) -> None:
        """See Thread."""
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - nobody else would hear of it
            where = traceback.extract_tb(error.__traceback__)[-1]
            at = f"{where.filename.rpartition('/')[2]}:{where.lineno}"
            self._complain(f"{self.name} died: {type(error).__name__}: {error} ({at})")

    def ends_within(self, timeout_s: float) -> bool:
        """Wait for its end; whether it came. A hand that has not ended is complained of."""
        self.join(max(0.0, timeout_s))
        if self.is_alive():
            self._complain(f"{self.name} did not end")
        return not self.is_alive()
