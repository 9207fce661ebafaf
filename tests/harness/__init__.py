"""Real parts for the tests: an upstream that misbehaves on demand, site processes, a client, a
Valkey.
"""
