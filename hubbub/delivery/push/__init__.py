"""Push notifications: APNs and FCM, and the trace of what became of each."""
