"""docs/decisions.md is a list of dated records, the newest first, with the same three parts."""

import re
from datetime import date, datetime
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "decisions.md").read_text()
RECORDS = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
PARTS = ["Context", "Decision", "Consequences"]


def date_of(record: str) -> date:
    return datetime.strptime(record.splitlines()[2], "%d %B %Y").date()


def test_every_record_has_its_date_and_its_three_parts() -> None:
    for record in RECORDS:
        title = record.splitlines()[0]
        assert date_of(record), title
        assert re.findall(r"^\*\*(\w+)\.\*\*", record, re.MULTILINE) == PARTS, title


def test_newest_record_stands_first() -> None:
    dates = [date_of(record) for record in RECORDS]
    assert dates == sorted(dates, reverse=True)
