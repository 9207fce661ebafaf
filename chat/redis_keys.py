"""Names every key and channel of the project in Redis. Imports nothing of the project.

Braces hold the hash tag: in a cluster, keys with the same tag are on one server, so that a script
or a pipeline may use them together. Besides these keys there are the request windows, which
django-ratelimit names through the cache "default" (`chatsite:1:rl:…`; a window expires with its
period).
"""

from typing import NamedTuple
from uuid import UUID

# --- An answer that is being written ----------------------------------------------


def answer_text(answer_id: UUID | str) -> str:
    """Names the text so far, UTF-8; it lives an hour from its first write."""
    return f"chatsite:{{a:{answer_id}}}:text"


def answer_cost(answer_id: UUID | str) -> str:
    """Names model, tokens and money so far; an hour from each renewal, deleted at the end."""
    return f"chatsite:{{a:{answer_id}}}:cost"


def answer_end(answer_id: UUID | str) -> str:
    """Names the mark that the end of a stored answer is saved; an hour."""
    return f"chatsite:{{a:{answer_id}}}:end"


def final_text_channel(answer_id: UUID | str) -> str:
    """Names the channel for the final text of a stopped stateless answer; keeps nothing."""
    return f"chatsite:{{a:{answer_id}}}:told"


# --- A worker ------------------------------------------------------------------------


def worker_lease(worker_id: str) -> str:
    """Names the proof that a worker lives; a few seconds, renewed every second."""
    return f"chatsite:{{w:{worker_id}}}:alive"


def worker_inbox(worker_id: str) -> str:
    """Names the list of commands from other workers; a minute, emptied at every flush."""
    return f"chatsite:{{w:{worker_id}}}:inbox"


# --- Limits --------------------------------------------------------------------------


class LeaseKeys(NamedTuple):
    """Holds the three keys of one subject, with one hash tag: one script uses them."""

    slots: str
    reservations: str
    version: str


def leases(subject: str) -> LeaseKeys:
    """Names a subject's slots, reservations and the version of both; an hour.

    Slots are a sorted set (id, end of the lease), reservations a hash by id. A subject is a
    `limit_key`, the whole site, or `readers:` with an `owner_key`.
    """
    prefix = f"chatsite:{{{subject}}}"
    return LeaseKeys(f"{prefix}:slots", f"{prefix}:reserved", f"{prefix}:version")


def subject_of(reservations: str) -> str:
    """Returns the subject whose key `leases(…).reservations` this is.

    `leases("*")` gives the pattern to scan for such keys.
    """
    before, after = leases("*").reservations.split("*")
    return reservations.removeprefix(before).removesuffix(after)


def turn_lock(owner_key: str, turn: UUID) -> str:
    """Names the lock held while a turn starts; ten seconds."""
    return f"chatsite:{{{owner_key}}}:turn:{turn}"


def linked_guests(owner_key: str) -> str:
    """Names the set of guests whose reader leases count for an account; an hour."""
    return f"chatsite:{{{owner_key}}}:linked"


def configuration() -> str:
    """Names the version of what operators configure; it does not expire."""
    return "chatsite:configuration"


# --- Abuse and accounts ----------------------------------------------------------------


def used_challenge(challenge: str) -> str:
    """Names the mark of a used proof of work; a minute longer than that is valid."""
    return f"chatsite:challenge:{challenge}"


def guest_pass(owner_key: str) -> str:
    """Names how many more turns a guest may begin without a proof of work; an hour."""
    return f"chatsite:{{{owner_key}}}:pass"


def guest_account(owner_key: str) -> str:
    """Names the id of the account that a guest has become; a minute."""
    return f"chatsite:{{{owner_key}}}:account"


# --- The upstream --------------------------------------------------------------------


def cooldown(model_digest: str) -> str:
    """Names the mark that a model cools down; until it may be asked again.

    `model_digest` is a keyed digest that tells nothing of the model.
    """
    return f"chatsite:{{c:{model_digest}}}:cool"


def upstream_failures() -> str:
    """Names the hash of each model's last failure (JSON by slug); a week."""
    return "chatsite:upstream-failures"


# --- The server itself ------------------------------------------------------------------


def write_check() -> str:
    """Names the key written to find out whether Redis takes writes; a minute."""
    return "chatsite:check"
