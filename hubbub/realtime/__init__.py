"""The real-time protocol of the client SDKs: what apps connect to."""
