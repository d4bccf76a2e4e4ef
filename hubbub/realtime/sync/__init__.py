"""Sync objects: views of the tables that clients read, subscribe to and are kept up to date with."""
