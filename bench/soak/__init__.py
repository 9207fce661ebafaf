"""All faults at random and at once, for a bounded time (`make soak`).

After it every invariant must hold.
"""
