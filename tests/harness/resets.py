"""When budgets begin anew: the seconds that a refusal may name."""

from datetime import UTC, datetime, timedelta


def midnight() -> range:
    """Retry-After of a budget of the day, give or take the time a test takes."""
    now = datetime.now(UTC)
    left = int(
        (
            now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) - now
        ).total_seconds()
    )
    return range(max(1, left - 30), left + 3)


def next_month() -> range:
    now = datetime.now(UTC)
    first = (
        now.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)
    ).replace(day=1)
    left = int((first - now).total_seconds())
    return range(max(1, left - 30), left + 3)
