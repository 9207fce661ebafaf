from django.apps import AppConfig


class ChatsiteConfig(AppConfig):
    """How the site is configured, entered, served and examined; it has no tables."""

    name = "chatsite"
    verbose_name = "Chatsite"

    def ready(self) -> None:
        from chatsite import checks  # noqa: F401  (registers the system checks)
