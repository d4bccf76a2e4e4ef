"""The real-time protocol: codec and session alone, and the socket of a real server."""
