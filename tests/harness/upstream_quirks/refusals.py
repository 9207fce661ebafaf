"""How providers and servers refuse a request: as seen, or by their manuals and source.

One table for all tests; the next refusal is an entry of one of its parts. `docs/providers.md` is
written from it.
"""

from tests.harness.upstream_quirks.content_and_load import (
    CONTENT,
    CONTENT_CORNERS,
    LOAD,
    LOAD_CORNERS,
)
from tests.harness.upstream_quirks.credit import CREDIT_CORNERS, NO_CREDIT_LEFT
from tests.harness.upstream_quirks.operator import OPERATOR, OPERATOR_CORNERS
from tests.harness.upstream_quirks.output_limits import (
    ANSWER_LIMITS,
    LIMIT_CORNERS,
    PROMPT_AND_ANSWER,
)
from tests.harness.upstream_quirks.parameters import (
    PARAMETER_CORNERS,
    PARAMETERS,
    ROLE_CORNERS,
    SYSTEM_ROLE,
)
from tests.harness.upstream_quirks.refusal import (
    BUSY,
    FILTER,
    FORBIDDEN,
    KEY,
    NO_CREDIT,
    OUTPUT,
    PARAMETER,
    SYSTEM,
    TOO_LONG,
    UNKNOWN_MODEL,
    WHOLE,
    ProviderRefusal,
    openai,
)
from tests.harness.upstream_quirks.too_long import TOO_LONG_PROMPTS
from tests.harness.upstream_quirks.too_long_corners import TOO_LONG_CORNERS

__all__ = [
    "BUSY",
    "FILTER",
    "FORBIDDEN",
    "KEY",
    "NO_CREDIT",
    "OUTPUT",
    "PARAMETER",
    "REFUSALS",
    "SYSTEM",
    "TOO_LONG",
    "UNKNOWN_MODEL",
    "WHOLE",
    "ProviderRefusal",
    "meaning",
    "openai",
]

_PARTS = (
    TOO_LONG_PROMPTS,
    TOO_LONG_CORNERS,
    PROMPT_AND_ANSWER,
    ANSWER_LIMITS,
    LIMIT_CORNERS,
    PARAMETERS,
    PARAMETER_CORNERS,
    SYSTEM_ROLE,
    ROLE_CORNERS,
    NO_CREDIT_LEFT,
    CREDIT_CORNERS,
    CONTENT,
    CONTENT_CORNERS,
    LOAD,
    LOAD_CORNERS,
    OPERATOR,
    OPERATOR_CORNERS,
)
REFUSALS: dict[str, ProviderRefusal] = {
    name: refusal for part in _PARTS for name, refusal in part.items()
}


def meaning(*kinds: str) -> list[str]:
    """The names of the rows that mean one of these."""
    return [name for name, row in REFUSALS.items() if row.means in kinds]
