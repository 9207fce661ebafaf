"""A solution of the proof of work counts once and opens a pass for some turns."""

import base64
import hashlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from chat import redis_client
from chat.abuse import proof_of_work
from chat.errors import ChallengeRequired
from chat.requester import Requester
from tests.harness.challenge import solution, solved
from tests.harness.visitor import all_at_once

if TYPE_CHECKING:
    from pytest_django import Settings


def new_guest() -> Requester:
    return Requester(None, str(uuid4()), "127.0.0.1")


def refused(action: Callable[[], Any]) -> bool:
    try:
        action()
    except ChallengeRequired:
        return True
    return False


# --- A solution ------------------------------------------------------------


def test_a_solution_works_once(db_ready: None) -> None:
    answer = solved()
    proof_of_work.use(answer)
    assert refused(lambda: proof_of_work.use(answer))


def test_of_many_who_bring_one_solution_at_once_one_passes(db_ready: None) -> None:
    answer = solved()
    assert (
        sorted(all_at_once([lambda: refused(lambda: proof_of_work.use(answer))] * 12))
        == [False] + [True] * 11
    )


def test_a_solution_given_back_works_again(db_ready: None) -> None:
    answer = solved()
    proof_of_work.use(answer)()
    proof_of_work.use(answer)


def test_an_expired_solution_is_refused(db_ready: None, settings: "Settings") -> None:
    settings.ALTCHA_CHALLENGE_EXPIRE = -5_000
    assert refused(lambda: proof_of_work.use(solved()))


def test_a_second_expiry_in_the_salt_makes_no_solution_younger(
    db_ready: None, settings: "Settings"
) -> None:
    """The library alone would take it: it reads the first, and signs the last."""
    settings.ALTCHA_CHALLENGE_EXPIRE = -5_000
    made = proof_of_work.issue()
    forged = made["salt"].replace("?", f"?expires={int(time.time()) + 9_999}&")
    assert refused(lambda: proof_of_work.use(solution(made, salt=forged)))


def test_a_challenge_that_one_made_oneself_is_refused(db_ready: None) -> None:
    salt = f"{'0' * 24}?expires={int(time.time()) + 600}&"
    digest = hashlib.sha256(f"{salt}1".encode()).hexdigest()
    own = {
        "algorithm": "SHA-256",
        "challenge": digest,
        "salt": salt,
        "signature": "0" * 64,
        "maxnumber": 1,
    }
    assert refused(lambda: proof_of_work.use(solution(own)))


@pytest.mark.parametrize(
    "changed",
    [
        {"number": -1},
        {"number": 10**30},
        {"number": "1"},
        {"number": True},
        {"salt": "a?b?c?d"},
        {"salt": ""},
        {"algorithm": "SHA-1"},
        {"algorithm": None},
        {"signature": ""},
        {"challenge": []},
    ],
)
def test_a_solution_with_anything_changed_is_refused(
    db_ready: None, changed: dict[str, Any]
) -> None:
    assert refused(lambda: proof_of_work.use(solution(proof_of_work.issue(), **changed)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "é",
        "\0",
        "W10=",
        "e30=",
        base64.b64encode(b"[" * 600).decode(),
        "A" * 10_000,
        "\ud800",
    ],
)
def test_garbage_is_refused(db_ready: None, text: str) -> None:
    assert refused(lambda: proof_of_work.use(text))


# --- A pass ----------------------------------------------------------------


def test_a_solution_opens_twenty_turns_of_its_guest(db_ready: None) -> None:
    guest = new_guest()
    assert proof_of_work.is_due(guest)
    proof_of_work.admit_guest(guest, solved(), known=False)
    assert not proof_of_work.is_due(guest)
    for _ in range(proof_of_work.MAX_TURNS - 1):
        proof_of_work.admit_guest(guest, "", known=True)
    assert proof_of_work.is_due(guest)
    assert refused(lambda: proof_of_work.admit_guest(guest, "", known=True))
    proof_of_work.admit_guest(guest, solved(), known=True)


def test_a_pass_ends_by_itself_and_belongs_to_one_guest(db_ready: None) -> None:
    guest = new_guest()
    proof_of_work.admit_guest(guest, solved(), known=False)
    assert (
        3500
        < redis_client.client().ttl(f"chatsite:{{g:{guest.guest}}}:pass")
        <= proof_of_work.PASS_SECONDS
    )
    assert refused(lambda: proof_of_work.admit_guest(new_guest(), "", known=True))


def test_many_turns_at_once_take_no_more_than_the_pass_holds(db_ready: None) -> None:
    guest = new_guest()
    proof_of_work.admit_guest(guest, solved(), known=False)
    tries = [lambda: refused(lambda: proof_of_work.admit_guest(guest, "", known=True))] * 30
    assert sum(all_at_once(tries)) == 30 - (proof_of_work.MAX_TURNS - 1)


def test_a_turn_given_back_is_in_the_pass_again(db_ready: None) -> None:
    guest = new_guest()
    proof_of_work.admit_guest(guest, solved(), known=False)
    for _ in range(proof_of_work.MAX_TURNS * 2):
        proof_of_work.admit_guest(guest, "", known=True)()


def test_a_solution_whose_pass_another_turn_has_used_is_not_given_back(db_ready: None) -> None:
    """Otherwise one solution opens any number of passes.

    One turn opens the pass and is refused; another has used it meanwhile.
    """
    guest, proof = new_guest(), solved()
    rollback = proof_of_work.admit_guest(guest, proof, known=True)
    proof_of_work.admit_guest(guest, "", known=True)
    rollback()
    assert refused(lambda: proof_of_work.admit_guest(guest, proof, known=False))
    for _ in range(proof_of_work.MAX_TURNS - 1):
        proof_of_work.admit_guest(guest, "", known=True)
    assert refused(lambda: proof_of_work.admit_guest(guest, "", known=True))
