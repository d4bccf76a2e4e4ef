"""What leaves after a commit."""
