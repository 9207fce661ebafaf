"""The plain tutorial way to stream from OpenAI through Django: what the site is measured against.

Nothing in it is slow on purpose.
"""
