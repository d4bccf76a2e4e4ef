"""HTTP and the wire rules. Of the chat it knows only the context and the caller that it hands on."""
