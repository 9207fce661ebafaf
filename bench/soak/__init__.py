"""Everything that can go wrong, at random and at once, for a bounded time; afterwards the sums must be right (`make soak`)."""
