"""The way to the model: one client, its stream, what is tried again, and what it costs."""
