"""What the upstream and the load generator agree on: deltas that say when they were sent.

A stamp is `@` and fifteen digits: microseconds of the monotonic clock, which all processes of a
machine share.
"""

import re
from time import monotonic_ns

STAMP = re.compile(rb"@(\d{15})")
STAMP_BYTES = 16
# In a burst one delta in so many is stamped: real deltas are short words, and one stamp a delta
# would say little more.
BURST_STAMP_EVERY = 20


def now_us() -> int:
    return monotonic_ns() // 1000


def stamp() -> bytes:
    return b"@%015d " % now_us()


def paced_prompt(rate: int, deltas: int) -> str:
    """Returns the prompt for `deltas` stamped deltas, `rate` of them a second."""
    return f"bench paced {rate} {deltas}"


def burst_prompt(deltas: int) -> str:
    """Returns the prompt for `deltas` as fast as they are taken."""
    return f"bench burst 0 {deltas}"


def is_paced(prompt: str) -> bool:
    return prompt.split()[1] == "paced"


def stamps_expected(prompt: str) -> int:
    """Returns how many stamps the answer to a prompt holds."""
    deltas = int(prompt.split()[-1])
    return deltas if is_paced(prompt) else -(-deltas // BURST_STAMP_EVERY)
