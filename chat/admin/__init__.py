"""What the operator sees and sets.

No prompt, answer or title is shown here but on the one page of chat.admin.content: operators run the site, they do not read along.
"""

from chat.admin import conversations, grants, history_list, invitations, ledger, models, people, policy, quotas

__all__ = ["conversations", "grants", "history_list", "invitations", "ledger", "models", "people", "policy", "quotas"]
