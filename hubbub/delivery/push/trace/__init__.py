"""The trace: what became of each push, for whoever asks why one did not arrive."""
