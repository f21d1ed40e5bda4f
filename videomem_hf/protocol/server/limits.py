"""Rate limits per address or participant, kept in memory only."""

import threading
import time
from collections.abc import Callable

from fastapi import Request

from videomem_hf.protocol.server.game import Refused


class RateLimit:
    """Allows `count` requests at once and per `period_s` seconds for each key (a token bucket)."""

    def __init__(self, count: int, period_s: float, clock: Callable[[], float] | None = None) -> None:
        self._count, self._rate, self._clock = float(count), count / period_s, clock or time.monotonic
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def admit(self, key: str) -> None:
        """Count a request; raises Refused, `too_many` with `wait_ms`, if it is not allowed yet."""
        if wait := self.wait_s(key):
            raise Refused("too_many", "Too many requests. Please wait a moment.", wait_ms=int(wait * 1000) + 1)

    def wait_s(self, key: str) -> float:
        """Count a request; 0 if it is allowed, else the seconds to wait."""
        now = self._clock()
        with self._lock:
            left, since = self._left.get(key, (self._count, now))
            left = min(self._count, left + (now - since) * self._rate)
            if left < 1:
                return (1 - left) / self._rate
            self._left[key] = (left - 1, now)
            if len(self._left) > 10_000:  # forget the keys whose buckets are full again
                left_now = ((key, left + (now - since) * self._rate) for key, (left, since) in self._left.items())
                self._left = {key: self._left[key] for key, left in left_now if left < self._count}
            return 0.0


def client_address(request: Request) -> str:
    """The address that a request came from; empty where there is none."""
    return request.client.host if request.client else ""
