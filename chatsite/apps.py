from django.apps import AppConfig


class ChatsiteConfig(AppConfig):
    """Configures the app that runs and examines the site; it has no tables."""

    name = "chatsite"
    verbose_name = "Chatsite"

    def ready(self) -> None:
        from chatsite import checks  # noqa: F401  (registers the system checks)
