"""The plain tutorial way to stream from OpenAI through Django, for comparison.

Nothing in it is slow on purpose.
"""
