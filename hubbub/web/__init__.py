"""HTTP and the wire rules. Knows nothing about chat."""
