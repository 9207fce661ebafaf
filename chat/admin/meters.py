"""Shows how much of a limit is used, as a bar and in words."""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal

from django.utils import timezone

from chat.formatting import figure, per, usd
from chat.limits import budgets
from chat.limits.usage_report import Report
from chat.models import Quota, SitePolicy

Amount = int | Decimal


@dataclass(frozen=True)
class LimitMeter:
    """Holds how much of a limit is used.

    `used` is None while it cannot be counted, `limit` where there is none. `resets` is a moment, or
    seconds from now; None for never.
    """

    label: str
    used: Amount | None
    limit: Amount | None
    resets: datetime | int | None = None

    @property
    def percent(self) -> int | None:
        """Returns what the bar shows, 0 to 100; None where that is not known.

        It is at least 1 as soon as anything is used, and 100 only where nothing is left.
        """
        if self.used is None or self.limit is None:
            return None
        if self.used >= self.limit:
            return 100
        return min(99, max(int(self.used > 0), int(self.used * 100 / self.limit)))

    @property
    def used_words(self) -> str:
        """Returns what is used; money to the cent, rounded down.

        Rounded up, it could read as more than the limit, or as all of it too early.
        """
        if isinstance(self.used, Decimal):
            return usd(self.used.quantize(Decimal("0.01"), ROUND_DOWN))
        return "?" if self.used is None else _words(self.used)

    @property
    def limit_words(self) -> str:
        return "" if self.limit is None else _words(self.limit)


def _words(amount: Amount) -> str:
    return usd(amount) if isinstance(amount, Decimal) else figure(amount)


def of_person(report: Report) -> list[LimitMeter]:
    """Returns the limits of the quota that applies, in the order of `labels`."""
    quota = report.quota or Quota()
    used = (
        [(window.used, window.reset) for window in report.windows]
        if report.windows is not None
        else [(None, None)] * len(quota.rates)
    )
    names = labels(quota)
    amounts: list[tuple[Amount | None, Amount | None, datetime | int | None]] = [
        *(
            (count, rate.limit, reset if count else None)
            for rate, (count, reset) in zip(quota.rates, used, strict=True)
        ),
        (report.streams, quota.concurrent_streams, None),
        (report.tokens, quota.tokens_per_day, report.tokens_reset),
        (report.spend, quota.spend_per_month_usd, report.spend_reset),
    ]
    return [LimitMeter(name, *each) for name, each in zip(names, amounts, strict=True)]


def labels(quota: Quota) -> list[str]:
    return [
        *(f"Requests {per(rate.period)}" for rate in quota.rates),
        "Running answers",
        "Tokens today",
        "Spend this month",
    ]


def of_site(policy: SitePolicy) -> list[LimitMeter]:
    """Returns the budgets of the whole site; one query."""
    now = timezone.now()
    spent = budgets.spent(None, timezone.localdate(now))
    return [
        LimitMeter("Tokens today", spent.tokens, policy.tokens_per_day, budgets.next_day(now)),
        LimitMeter(
            "Spend this month",
            Decimal(spent.micro_usd).scaleb(-6),
            policy.spend_per_month_usd,
            budgets.next_month(now),
        ),
    ]
