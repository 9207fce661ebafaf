"""The short form of `make soak`: every fault at once for a few seconds, and then the invariants."""

from bench.soak.run import soak
from tests.harness.environment import Environment

SECONDS = 10
# The faults and prompts of every run are the same; `make soak` rolls others each time.
SEED = 7


def test_every_fault_at_once_loses_no_word_no_slot_and_no_row_of_the_ledger(
    environment: Environment, db_ready: None
) -> None:
    report = soak(environment, SECONDS, seed=SEED)
    assert not report.wrong, report
    assert report.turns > 30, report
