"""Model providers over the network: an HTTP/1.1 client, and the wire formats spoken through it."""
