"""Measures this site and the plain tutorial way side by side: `python -m bench`.

docs/bench.md says how to read the result.
"""
