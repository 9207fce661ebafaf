"""Keys of ours in the ASGI scope of a request."""

# The address that the connection comes from, whatever a proxy says.
PEER = "chatsite.peer"
# Whether a shutdown waits for the response to end by itself: it can be read nowhere else.
AWAITED = "chatsite.awaited"
