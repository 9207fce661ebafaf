"""`manage.py doctor`: a deployment checked from inside (settings, database, Redis, upstream) and through its public address."""
