"""What the stamps of one camera's images say of time: the one rule for node, bags and programs."""

from __future__ import annotations

import math
from collections import deque

# Stamps go back by that much where threads publish images out of order, or where two clocks are
# mixed. Farther back, a recording begins anew.
JITTER_S = 0.1
_STEPS = 64  # of which the mean is the period
_FIRST_STEPS = (1 / 30,) * 8  # what is assumed before any are seen: the first may be a burst
_LONGEST_STEP_S = 1.0  # that counts for it, so that one gap does not make a slow camera
# The least time from one image to the next, as a share of the period and in all. Shares of 1 would
# never let the time fall back to the stamps once it is ahead of them.
_LEAST_SHARE = 0.9
_LEAST_STEP_S = 0.1
_LONGEST_LEAD_S = 1.0


class FrameTime:
    """A steady time, made of stamps that may not be.

    Drivers stamp images when a buffer is handed over, and USB, TCP and RTSP hand over in bursts;
    threads publish out of order; clocks count whole seconds. The pictures were taken a period
    apart all the same:

    - forward: the stamp is the time, but no less than most of a period after the last image;
    - nearly equal, equal, or back by up to `JITTER_S`: most of a period after the last image,
      until the time is a second ahead of the stamps; then it stands still;
    - farther back: another recording, and nobody in it is known.

    Attributes:
        now_s: the time of the last image; -inf before the first.
        went_back: how many stamps went back a little, since the last recording began.
    """

    def __init__(self) -> None:
        self.now_s = self._newest_s = -math.inf
        self.went_back = 0
        self._steps = deque(_FIRST_STEPS, _STEPS)

    def starts_anew(self, stamp_s: float | None) -> bool:
        """Whether an image of that stamp begins something else: None is an image by itself."""
        return stamp_s is None or stamp_s < self._newest_s - JITTER_S

    def take(self, stamp_s: float) -> float:
        """The time in s of the image of that stamp, which is the next one."""
        if self.starts_anew(stamp_s):
            self.reset()
        before_s, self._newest_s = self._newest_s, max(self._newest_s, stamp_s)
        self.went_back += stamp_s < before_s
        if math.isinf(before_s):
            self.now_s = stamp_s
            return self.now_s
        self._steps.append(min(self._newest_s - before_s, _LONGEST_STEP_S))
        period_s = sum(self._steps) / len(self._steps)
        least_s = self.now_s + min(_LEAST_SHARE * period_s, _LEAST_STEP_S)
        least_s = min(least_s, max(self._newest_s + _LONGEST_LEAD_S, self.now_s))
        self.now_s = max(self._newest_s, least_s)
        return self.now_s

    def reset(self) -> None:
        """Forgets the time: any stamp may follow."""
        self.now_s = self._newest_s = -math.inf
        self.went_back = 0
        self._steps = deque(_FIRST_STEPS, _STEPS)
