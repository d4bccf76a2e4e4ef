"""One rule from a Python name to the contract's: it holds for every parameter of every operation.

`unique_name` is UniqueName, `notifications__new_message__enabled` is Notifications.NewMessage.Enabled,
`from_` is From, and `x_twilio_webhook_enabled` is the header X-Twilio-Webhook-Enabled.
"""

import re

HEADER = "x_"


def wire_name(name: str) -> str:
    """The contract's name of a handler's parameter."""
    if name.startswith(HEADER):
        return "-".join(word.capitalize() for word in name.split("_"))
    groups = name.rstrip("_").split("__")
    return ".".join("".join(word.capitalize() for word in group.split("_")) for group in groups)


def python_name(wire: str) -> str:
    """The handler's name of a path parameter: `ServiceSid` is service_sid."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", wire).lower()
