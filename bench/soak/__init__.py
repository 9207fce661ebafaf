"""Everything that can go wrong, at random and at once, for a bounded time; afterwards every
invariant must hold (`make soak`).
"""
