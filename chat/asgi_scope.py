"""Keys of ours in the ASGI scope of a request."""

# The address that the connection comes from, whatever a proxy says.
PEER_ADDRESS = "chatsite.peer_address"
# Whether a shutdown waits for the response to end by itself: it can be read nowhere else.
MUST_FINISH = "chatsite.must_finish"
