"""The protocol of the older client SDKs: each of their commands is an item of a list, answered in the item."""
