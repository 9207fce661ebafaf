"""`python -m bench`: this site and the plain tutorial way side by side. docs/bench.md says how to
read it.
"""
