"""The answers of the model in a soak: good ones of many shapes, and bad ones."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.harness import wire

_WORDS = (
    "and",
    "so",
    "“on”",
    "für",
    "日本語",
    "👋🏽",
    "e\u0301",
    "\r\n\r\n- ",
    "`code` ",
    "\u2028",
    "עברית",
    "data: x\n\n",
    "**",
)
_PACE_SECONDS = (0.01, 0.15)


@dataclass(frozen=True)
class Plan:
    """Holds what is sent for one prompt, attempt by attempt, and its text.

    The text is all that any reader may ever see.
    """

    attempts: list[wire.Script]
    text: str


SHORT = Plan([wire.answer("well ", "and good")], "well and good")


def draw(dice: Random) -> Plan:
    """Returns a plan at random.

    Half of the answers are good and slow, so that faults strike in the middle of them.
    """
    return _paced(dice) if dice.random() < 0.5 else dice.choice(_OTHERS)(dice)


def _pieces(dice: Random, maximum: int = 40) -> list[str]:
    return [f"{dice.choice(_WORDS)} {number} " for number in range(dice.randint(2, maximum))]


def _paced_text(dice: Random, pieces: list[str]) -> wire.Script:
    steps: wire.Script = [wire.role()]
    for piece in pieces:
        steps += [*wire.text(piece), wire.Pause(dice.uniform(*_PACE_SECONDS))]
    return steps


def _paced(dice: Random) -> Plan:
    pieces = _pieces(dice)
    return Plan([[*_paced_text(dice, pieces), *wire.answer()[1:]]], "".join(pieces))


def _in_small_packets(dice: Random) -> Plan:
    pieces = _pieces(dice)
    return Plan(
        [wire.cut_every(dice.randint(3, 50), wire.answer(*pieces, escape=dice.random() < 0.5))],
        "".join(pieces),
    )


def _tiny_deltas(dice: Random) -> Plan:
    text = "tiny 👋 " * dice.randint(50, 500)
    return Plan([[wire.joined(wire.answer(*text))]], text)


def _huge_delta(dice: Random) -> Plan:
    text = "huge é " * dice.randint(5_000, 100_000)
    return Plan([wire.answer(text)], text)


def _after_refusals(dice: Random) -> Plan:
    refusal: wire.Script = dice.choice(
        [wire.refused(429, retry_after="1"), wire.refused(503), wire.refused(500), [wire.Reset()]]
    )
    good = _paced(dice)
    return Plan([refusal, *good.attempts], good.text)


def _refused_for_ever(dice: Random) -> Plan:
    html = wire.Http(200, b"<html>Welcome</html>", {"content-type": "text/html"})
    away = wire.Http(302, b"", {"location": "http://127.0.0.1:9/"})
    return Plan(
        [dice.choice([wire.refused(503), wire.refused(400), [html], [away], [wire.Stall()]])], ""
    )


def _breaking_off(dice: Random) -> Plan:
    pieces = _pieces(dice)
    broken: list[wire.Script] = [
        [wire.Cut()],
        [wire.Reset()],
        [wire.Stall()],
        [b"data: {broken\n\n", wire.Stall()],
        [wire.frame(wire.error()), wire.Stall()],
        [wire.DONE],
        [],
    ]
    return Plan([[*_paced_text(dice, pieces), *dice.choice(broken)]], "".join(pieces))


_OTHERS: list[Callable[[Random], Plan]] = [
    _in_small_packets,
    _tiny_deltas,
    _huge_delta,
    _after_refusals,
    _refused_for_ever,
    _breaking_off,
    _breaking_off,
]
