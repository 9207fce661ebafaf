"""What real providers and servers send: refusals, and streams with quirks, one table each."""
