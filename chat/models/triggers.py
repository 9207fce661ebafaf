"""Triggers that keep a message's parent in the same conversation.

Django's constraints cannot say that. The triggers are made after every migrate, not in a migration:
on SQLite a later change of the table rebuilds it, and drops them silently.
"""

from typing import Any

from django.db import connections

_SQLITE = """
CREATE TRIGGER IF NOT EXISTS chat_message_parent_{event} BEFORE {event_of} ON chat_message
WHEN NEW.parent_id IS NOT NULL
 AND (SELECT conversation_id FROM chat_message WHERE id = NEW.parent_id) IS NOT NEW.conversation_id
BEGIN SELECT RAISE(ABORT, 'the parent belongs to another conversation'); END
"""
_POSTGRESQL = """
CREATE OR REPLACE FUNCTION chat_message_parent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.parent_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM chat_message WHERE id = NEW.parent_id AND conversation_id = NEW.conversation_id
  ) THEN
    RAISE EXCEPTION 'the parent belongs to another conversation'
      USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
DROP TRIGGER IF EXISTS chat_message_parent ON chat_message;
CREATE TRIGGER chat_message_parent
  BEFORE INSERT OR UPDATE OF parent_id, conversation_id ON chat_message
  FOR EACH ROW EXECUTE FUNCTION chat_message_parent();
"""


def create_triggers(using: str = "default", **kwargs: Any) -> None:
    """Makes the triggers where they are missing; a receiver of `post_migrate`."""
    connection = connections[using]
    with connection.cursor() as cursor:
        if "chat_message" not in connection.introspection.table_names(cursor):
            return
        if connection.vendor == "sqlite":
            cursor.execute(_SQLITE.format(event="insert", event_of="INSERT"))
            cursor.execute(
                _SQLITE.format(event="update", event_of="UPDATE OF parent_id, conversation_id")
            )
        elif connection.vendor == "postgresql":
            cursor.execute(_POSTGRESQL)
