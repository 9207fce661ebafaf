"""Slots and budgets: one script, on the clock of Redis, checks all and takes all or nothing.

A slot is a lease in a sorted set, renewed by the worker that runs the answer; when the worker is
lost, it expires. Beside it stands the reservation: an upper bound of the tokens and the money that
the answer may still cost. What was really spent is in the ledger (SQL), so there is no counter in
Redis that could be lost: the use of a budget is ledger + reservations. `version` changes whenever a
reservation moves to the ledger; a sum read before that is not used after it. Where there is no
`version`, Redis was emptied (or nothing ran for an hour): slots and reservations are then set up
again from the running answers in the ledger.

All keys of one subject share a hash tag, for a cluster.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from secrets import token_hex

import redis.asyncio
from redis import Redis

from chat import redis_keys

LEASE_SECONDS = 12
RENEW_SECONDS = 1
# When to ask again where all slots are taken: a hint, for the end of an answer is not known.
RETRY_SECONDS = 2
# A lost worker's slot is free when its lease expires; its reservation stays until the answer is in
# the ledger, but no longer than this.
_CLAIM_SECONDS = 20

# KEYS slots, reserved, version. ARGV id, lease ms, most slots, tokens, micro_usd, token headroom,
# money headroom, expected version, claim ms, day. A limit of -1 is none; where the expected version
# is '', any will do. Returns what refused, or "ok"; "… reserved" where only the other reservations
# leave too little. A reservation counts in its own day and month, as its row will.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[9])) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
end
if ARGV[8] ~= '' and redis.call('GET', KEYS[3]) ~= ARGV[8] then return 'stale' end
local most, token_headroom, money_headroom = tonumber(ARGV[3]), tonumber(ARGV[6]), tonumber(ARGV[7])
if most >= 0 and redis.call('ZCOUNT', KEYS[1], '(' .. now, '+inf') >= most then return 'slots' end
if token_headroom >= 0 or money_headroom >= 0 then
  local own_tokens, own_micro_usd, day = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[10])
  local tokens, micro_usd = own_tokens, own_micro_usd
  for _, reserved in ipairs(redis.call('HVALS', KEYS[2])) do
    local t, m, d = string.match(reserved, '(%d+):(%d+):(%d+)')
    if tonumber(d) == day then tokens = tokens + t end
    if math.floor(d / 100) == math.floor(day / 100) then micro_usd = micro_usd + m end
  end
  if money_headroom >= 0 and own_micro_usd > money_headroom then return 'money' end
  if token_headroom >= 0 and own_tokens > token_headroom then return 'tokens' end
  if money_headroom >= 0 and micro_usd > money_headroom then return 'money reserved' end
  if token_headroom >= 0 and tokens > token_headroom then return 'tokens reserved' end
end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[4] .. ':' .. ARGV[5] .. ':' .. ARGV[10])
redis.call('PEXPIRE', KEYS[1], 3600000)
redis.call('PEXPIRE', KEYS[2], 3600000)
return 'ok'
"""
# KEYS slots, reserved. ARGV lease ms, id, tokens:micro_usd:day. Writes both even where Redis has
# lost them.
_RENEW = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], 3600000)
redis.call('PEXPIRE', KEYS[2], 3600000)
return 1
"""
# KEYS slots, reserved, version. ARGV id. A missing version is not written: it means that the other
# reservations must be set up again.
_RELEASE = """
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('SET', KEYS[3], ARGV[1], 'XX', 'PX', 3600000)
return 1
"""
# KEYS slots, reserved, version. ARGV version, lease ms, then id, tokens:micro_usd:day of each
# running answer. Returns the version that holds afterwards.
_SET_UP = """
local known = redis.call('GET', KEYS[3])
if known then return known end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
for i = 3, #ARGV, 2 do
  redis.call('ZADD', KEYS[1], 'NX', now + ARGV[2], ARGV[i])
  redis.call('HSETNX', KEYS[2], ARGV[i], ARGV[i + 1])
end
redis.call('PEXPIRE', KEYS[1], 3600000)
redis.call('PEXPIRE', KEYS[2], 3600000)
redis.call('SET', KEYS[3], ARGV[1], 'PX', 3600000)
return ARGV[1]
"""
# KEYS slots. Returns how many live leases there are.
_COUNT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
return redis.call('ZCOUNT', KEYS[1], '(' .. now, '+inf')
"""


@dataclass(frozen=True)
class Lease:
    """Holds a slot and a reservation under `id`, on behalf of each of `subjects`.

    `tokens` count in `day` (20261122, in the site's time zone), `micro_usd` (millionths of a USD)
    in the month of that day.
    """

    id: str
    subjects: tuple[str, ...]
    tokens: int
    micro_usd: int
    day: int = 0

    @property
    def reserved(self) -> str:
        """Returns the reservation as Redis keeps it."""
        return f"{self.tokens}:{self.micro_usd}:{self.day}"


@dataclass(frozen=True)
class Headroom:
    """Holds what a subject may still take: slots, tokens and millionths of a USD.

    Tokens and money are what the ledger leaves of the budget. None is no limit. `version` is the
    one read before the ledger, "" where the ledger was not read.
    """

    slots: int | None = None
    tokens: int | None = None
    micro_usd: int | None = None
    version: str = ""


def version(client: Redis, subject: str, running: Callable[[], Iterable[Lease]]) -> str:
    """Returns the version of the reservations. Blocks on Redis.

    Read it before the ledger is summed up, and pass it to `take` with the headroom. `running`
    returns the leases of running answers by the ledger; it is called only where Redis knows nothing
    of the subject.
    """
    value = client.get(redis_keys.leases(subject).version)
    if value is None:
        reserved = [word for lease in running() for word in (lease.id, lease.reserved)]
        value = client.eval(
            _SET_UP, 3, *redis_keys.leases(subject), token_hex(8), LEASE_SECONDS * 1000, *reserved
        )
    return value.decode() if isinstance(value, bytes) else ""


def take(client: Redis, subject: str, lease: Lease, headroom: Headroom) -> str:
    """Takes the slot and the reservation for `subject`, and returns "ok". Blocks on Redis.

    Takes nothing and returns what refused: "slots", "tokens", "money"; "tokens reserved" or "money
    reserved" where only the reservations of running answers leave too little; "stale" where the
    ledger must be read again.
    """
    limits = [
        -1 if limit is None else max(0, limit)
        for limit in (headroom.slots, headroom.tokens, headroom.micro_usd)
    ]
    reservation = [lease.tokens, lease.micro_usd, limits[1], limits[2]]
    keys, lease_ms, claim_ms = (
        redis_keys.leases(subject),
        LEASE_SECONDS * 1000,
        _CLAIM_SECONDS * 1000,
    )
    result = client.eval(
        _TAKE,
        3,
        *keys,
        lease.id,
        lease_ms,
        limits[0],
        *reservation,
        headroom.version,
        claim_ms,
        lease.day,
    )
    return result.decode() if isinstance(result, bytes) else str(result)


def release(client: Redis, lease: Lease) -> None:
    """Frees the slot and the reservation for every subject. Releasing twice does no harm."""
    for subject in lease.subjects:
        client.eval(_RELEASE, 3, *redis_keys.leases(subject), lease.id)


def queue_release(pipeline: "redis.asyncio.client.Pipeline", lease: Lease) -> None:
    """Queues what `release` does, with one reply for each subject."""
    for subject in lease.subjects:
        pipeline.eval(_RELEASE, 3, *redis_keys.leases(subject), lease.id)


def renew(pipeline: "redis.asyncio.client.Pipeline", lease: Lease) -> None:
    """Queues the renewal of the lease, with one reply for each subject.

    To be done every RENEW_SECONDS.
    """
    for subject in lease.subjects:
        pipeline.eval(
            _RENEW,
            2,
            *redis_keys.leases(subject)[:2],
            LEASE_SECONDS * 1000,
            lease.id,
            lease.reserved,
        )


def in_use(client: Redis, subject: str) -> int:
    """Returns how many slots the subject uses now. Blocks on Redis."""
    return int(client.eval(_COUNT, 1, redis_keys.leases(subject).slots))


def subjects(client: Redis) -> list[str]:
    """Returns all subjects with reservations. Blocks on Redis.

    It looks through all keys: for rare checks only.
    """
    keys = client.scan_iter(redis_keys.leases("*").reservations, count=1000)
    return [redis_keys.subject_of(_text(key)) for key in keys]


def reservations(client: Redis, subject: str) -> dict[str, str]:
    """Returns each reservation of the subject by its id, as `Lease.reserved` writes it."""
    return {
        _text(key): _text(value)
        for key, value in client.hgetall(redis_keys.leases(subject).reservations).items()
    }


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
