"""What a turn asks of the gates."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

from chat.errors import Refusal
from chat.models import Quota, SitePolicy
from chat.requester import Requester

R = TypeVar("R", bound=Refusal)


@dataclass(frozen=True)
class AdmissionRequest:
    """Holds what a turn asks for: an upper bound of tokens and money, under its answer's id.

    `micro_usd` is in millionths of a USD. Both are taken from the budgets of `day` and its month.
    `headers` are the RateLimit headers from the last look at the windows.
    """

    id: str
    requester: Requester
    quota: Quota
    policy: SitePolicy
    tokens: int
    micro_usd: int
    day: date
    headers: Mapping[str, str] = field(default_factory=dict)

    def refusal(
        self,
        kind: type[R],
        message: str,
        *,
        retry_after: int,
        limit: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> R:
        """Makes a refusal with the name of the quota and the RateLimit headers.

        `retry_after` is in seconds; `headers` replace those of the request.
        """
        merged = {**self.headers, **(headers or {})}
        return kind(
            message, retry_after=retry_after, limit=limit, headers=merged, quota=self.quota.name
        )
