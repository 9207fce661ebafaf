from django.apps import AppConfig


class ChatsiteConfig(AppConfig):
    """How the site is configured, entered, served and examined; it has no tables."""

    name = "chatsite"
    verbose_name = "Chatsite"
