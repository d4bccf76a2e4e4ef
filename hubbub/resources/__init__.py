"""The chat itself: one folder per noun, the same files in each."""
