"""Django's admin site, hardened.

Imports nothing of the project: `chat.admin` registers on it, and must not be imported by it.
"""
