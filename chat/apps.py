import django_stubs_ext
from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate

# `ModelAdmin[Quota]` and the like are for the type checker; without this Django's classes raise for
# them. It is done here because app configurations are loaded before any form or admin.
django_stubs_ext.monkeypatch()


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
    """Puts Django's admin on a site of ours."""

    default_site = "chat.admin_site.site.ChatsiteAdmin"
