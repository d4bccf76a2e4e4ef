"""Hubbub: a self-hosted chat server that speaks Twilio's Programmable Chat API v2."""

__version__ = "0.1.0"
