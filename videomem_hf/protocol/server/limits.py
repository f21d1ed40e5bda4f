"""Rate limits per address or participant, kept in memory only."""

import threading
import time
from collections.abc import Callable


class RateLimit:
    """A number of requests per period (one token bucket per key).

    Args:
        count: Requests allowed at once, and per period.
        period_s: Length of the period in seconds.
        clock: A monotonic clock in seconds.
    """

    def __init__(self, count: int, period_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._count, self._rate, self._clock = float(count), count / period_s, clock
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def wait_s(self, key: str) -> float:
        """Count a request; 0 if it is allowed, else the seconds to wait."""
        now = self._clock()
        with self._lock:
            left, since = self._left.get(key, (self._count, now))
            left = min(self._count, left + (now - since) * self._rate)
            if left < 1:
                return (1 - left) / self._rate
            self._left[key] = (left - 1, now)
            if len(self._left) > 10_000:
                self._forget(now)
            return 0.0

    def _forget(self, now: float) -> None:
        """Drop the keys whose buckets are full again."""
        full = [key for key, (left, since) in self._left.items() if left + (now - since) * self._rate >= self._count]
        for key in full:
            del self._left[key]
