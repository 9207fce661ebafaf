from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = "Chat"

    def ready(self) -> None:
        from chat.accounts import guests
        from chat.limits import configuration
        from chat.models.triggers import create_triggers

        post_migrate.connect(create_triggers, sender=self)
        configuration.watch()
        guests.watch()


class ChatsiteAdminConfig(AdminConfig):
    """Django's admin, on a site of ours."""

    default_site = "chat.admin_site.site.ChatsiteAdmin"
