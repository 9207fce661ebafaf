"""The proof of work (ALTCHA) of guests and sign-ups: a browser must solve a short puzzle.

It costs a person a moment, and a script as much each time. A solution works once. A guest's
solution opens MAX_TURNS turns of their own session within PASS_SECONDS, counted in Redis under the
guest's id: no one solves a puzzle for every turn, and a stolen pass is worth no more than the
session it belongs to. A person who is refused afterwards gets back the turn or the solution.

All functions but `issue` and `guest_id` block on Redis.
"""

import contextlib
import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta
from time import time
from typing import Any, Literal

import altcha
import msgspec
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django_altcha import get_challenge_expire_seconds, get_hmac_key

from chat import redis_client, redis_keys
from chat.abuse.action_limits import decide_without_redis
from chat.errors import ChallengeRequired
from chat.requester import Requester

# Half of them are tried on average: 0.2 s in a browser on a desktop, 2 s on an old phone, while
# the person types.
MAX_NUMBER = 200_000
MAX_TURNS = 20
PASS_SECONDS = 3600
# No solution of ours is longer.
MAX_CHARS = 1_000
_ALGORITHM: Literal["SHA-256"] = "SHA-256"

# The salts of our own challenges. The library reads the first `expires` of a salt and signs the
# last, so a second one would make a solution last for ever.
_SALT = re.compile(r"[0-9a-f]{24}\?expires=(\d{1,12})&", re.ASCII)

# KEYS[1] a pass. Takes a turn; returns 1, or 0 where there is none left.
_SPEND = """
local left = redis.call('GET', KEYS[1])
if left and tonumber(left) > 0 then redis.call('DECR', KEYS[1]) return 1 end
return 0
"""
# KEYS[1] a pass that may have expired meanwhile.
_RESTORE = "if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('INCR', KEYS[1]) end return 1"
# KEYS[1] a pass; ARGV[1] its turns when it was opened. Closes the pass and returns 1 if no turn has
# used it since; else gives its turn back and returns 0.
_CLOSE = """
local left = redis.call('GET', KEYS[1])
if left == ARGV[1] then return redis.call('DEL', KEYS[1]) end
if left then redis.call('INCR', KEYS[1]) end
return 0
"""


class _Solution(msgspec.Struct, frozen=True):
    algorithm: Literal["SHA-256"]
    challenge: str
    number: int
    salt: str
    signature: str

    @property
    def expires(self) -> int:
        """Returns Unix time in seconds; 0 for a salt that is not ours."""
        match = _SALT.fullmatch(self.salt)
        return int(match[1]) if match else 0


# Gives back what was taken. Blocks on Redis; while that is away, nothing is given back: the keys
# expire.
Rollback = Callable[[], None]


def issue() -> dict[str, Any]:
    """Makes a new challenge, as ALTCHA's clients take it."""
    expires = timezone.now() + timedelta(seconds=get_challenge_expire_seconds())
    made = altcha.create_challenge(
        altcha.ChallengeOptions(
            algorithm=_ALGORITHM, max_number=MAX_NUMBER, hmac_key=get_hmac_key(), expires=expires
        )
    )
    names = ("algorithm", "challenge", "salt", "signature")
    return {name: getattr(made, name) for name in names} | {"maxnumber": MAX_NUMBER}


def guest_id(solution: str) -> str:
    """Returns the id of the new guest who brings this solution.

    It is the same when a request is sent again because its response was lost.
    """
    return urlsafe_b64encode(
        salted_hmac("chat.guest", solution, algorithm="sha256").digest()[:24]
    ).decode()


def is_due(requester: Requester) -> bool:
    """Tells whether the requester's next turn needs a solution."""
    if requester.user_id is not None:
        return False
    try:
        left = (
            redis_client.client().get(redis_keys.guest_pass(requester.owner_key))
            if requester.guest
            else None
        )
    except redis_client.REDIS_ERRORS:
        return True
    return left is None or int(left) < 1


def admit_guest(requester: Requester, solution: str, *, known: bool) -> Rollback:
    """Takes a turn from the guest's pass, or else the solution, which opens a new pass.

    `known`: the guest's id comes from their session. Returns what gives back what was taken. Raises
    ChallengeRequired; without Redis LimitsUnavailable, unless LIMITS_WHEN_REDIS_DOWN is `allow`:
    then a session that has had a turn, or a solution used before, will do.
    """
    key = redis_keys.guest_pass(requester.owner_key)
    try:
        if known and redis_client.client().eval(_SPEND, 1, key):
            return _rollback(lambda: redis_client.client().eval(_RESTORE, 1, key))
        give_back = use(solution)
        left = MAX_TURNS - 1
        redis_client.client().set(key, left, ex=PASS_SECONDS)
    except redis_client.REDIS_ERRORS:
        decide_without_redis()
        if not known:
            _checked(solution)
        return _nothing
    # A solution stays used if another turn has used its pass, or it would open ever new passes.
    return _rollback(lambda: redis_client.client().eval(_CLOSE, 1, key, left) and give_back())


def use(solution: str) -> Rollback:
    """Takes a solution, which then works no more. Raises as `admit_guest` does."""
    checked = _checked(solution)
    key = redis_keys.used_challenge(checked.challenge)
    # A minute longer than it is valid, in case the clock of Redis is ahead.
    seconds = max(1, checked.expires - int(time())) + 60
    try:
        if not redis_client.client().set(key, 1, nx=True, ex=seconds):
            raise ChallengeRequired("This check was used already.")
    except redis_client.REDIS_ERRORS:
        decide_without_redis()
        return _nothing
    return _rollback(lambda: redis_client.client().delete(key))


def _nothing() -> None:
    pass


def _rollback(action: Callable[[], Any]) -> Rollback:
    def rollback() -> None:
        with contextlib.suppress(*redis_client.REDIS_ERRORS):
            action()

    return rollback


def _checked(text: str) -> _Solution:
    """Reads the solution from ALTCHA's base64.

    Raises ChallengeRequired unless it is right, ours and has not expired.
    """
    if not text:
        raise ChallengeRequired("A short check of your browser must come first. Send it again.")
    try:
        solution = msgspec.json.decode(b64decode(text[:MAX_CHARS], validate=True), type=_Solution)
        valid = altcha.verify_solution(_payload(solution), get_hmac_key(), check_expires=False)[0]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise ChallengeRequired("The check of your browser is not valid.") from None
    if not valid or solution.expires < time():
        raise ChallengeRequired(
            "The check of your browser has expired."
            if valid
            else "The check of your browser is not valid."
        )
    return solution


def _payload(solution: _Solution) -> altcha.Payload:
    return altcha.Payload(**msgspec.structs.asdict(solution))
