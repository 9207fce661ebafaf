"""What a browser does with a challenge, in Python."""

import base64
import hashlib
import json
from typing import Any


def solution(challenge: dict[str, Any], /, **changed: Any) -> str:
    """The solution as the site takes it; `changed`: what a forger writes instead."""
    payload = {name: challenge[name] for name in ("algorithm", "challenge", "salt", "signature")}
    return base64.b64encode(
        json.dumps(payload | {"number": _number(challenge)} | changed).encode()
    ).decode()


def solved() -> str:
    """The solution of a new challenge."""
    from chat.abuse.proof_of_work import issue

    return solution(issue())


def _number(challenge: dict[str, Any]) -> int:
    start, wanted = (
        hashlib.sha256(challenge["salt"].encode()),
        bytes.fromhex(challenge["challenge"]),
    )
    for number in range(challenge["maxnumber"] + 1):
        attempt = start.copy()
        attempt.update(b"%d" % number)
        if attempt.digest() == wanted:
            return number
    raise AssertionError("no number solves it")
