"""Carrying out orders and delivering signed reports, each in a thread of its own."""

import hashlib
import hmac
import logging
import threading
import time

import httpx

from kobatela.kernel import http
from payments.psp.fake.bank import Bank
from payments.psp.fake.store import Delivery

logger = logging.getLogger(__name__)

_PAUSE_S = 0.02
# A real PSP waits longer in the end; nobody tries anything out by waiting for a minute.
_RETRY_AFTER_S = (0.3, 0.5, 1, 2, 5, 10, 15)
_TIMEOUT_S = 10.0


class Clerk:
    """Does in the background what a bank does: pays, and sends reports until they are taken."""

    def __init__(self, bank: Bank, *, webhook_url: str, webhook_secret: str) -> None:
        self._bank = bank
        self._url = webhook_url
        self._secret = webhook_secret.encode()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._pay, name="psp-pays", daemon=True),
            threading.Thread(target=self._report, name="psp-reports", daemon=True),
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; what is open is done after the next start."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=_TIMEOUT_S + 5)

    def _pay(self) -> None:
        while not self._stop.wait(_PAUSE_S):
            self._bank.carry_out()

    def _report(self) -> None:
        with http.client(read_timeout_s=_TIMEOUT_S) as client:
            while not self._stop.wait(_PAUSE_S):
                for delivery in self._bank.store.due_deliveries(time.time()):
                    if self._stop.is_set():
                        return
                    self._deliver(client, delivery)

    def _deliver(self, client: httpx.Client, delivery: Delivery) -> None:
        body = delivery.body.encode()
        timestamp = str(int(time.time()))
        signed = timestamp.encode() + b"." + body
        headers = {
            "Content-Type": "application/json",
            "X-PSP-Timestamp": timestamp,
            "X-PSP-Signature": hmac.new(self._secret, signed, hashlib.sha256).hexdigest(),
        }
        try:
            status = client.post(self._url, content=body, headers=headers).status_code
        except httpx.HTTPError as error:
            logger.warning("report %s was not taken: %s", delivery.id, error)
            status = 0
        if 200 <= status < 300:
            self._bank.store.end_delivery(delivery.id)
            return
        if status:
            logger.warning("report %s was answered %s", delivery.id, status)
        wait_s = _RETRY_AFTER_S[min(delivery.tries, len(_RETRY_AFTER_S) - 1)]
        self._bank.store.retry_delivery(delivery.id, time.time() + wait_s)
