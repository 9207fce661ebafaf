"""Real servers and clients for the tests: an upstream, sites, people, Valkey, a browser."""
