"""What a client makes of what it is told: a copy of an object, kept by the rules of the SDKs' Sync client.

It is stricter than theirs: an event that comes twice, out of order, or for an item that it should not have is an error.
"""

from typing import Any

from tests.realtime.recorder import App

REPLAY = "twilio.sync.event"


class Mirror:
    """A copy of one object as an app has it."""

    def __init__(self, name: str, root: dict[str, Any], items: dict[Any, Any]) -> None:
        self.name = name
        self.sid: str = root["sid"]
        self.last_event_id: int = root["last_event_id"]
        self.data = root.get("data")
        self.items = {key: (item["last_event_id"], item["data"]) for key, item in items.items()}
        self.removed = False
        self.events: list[str] = []

    @classmethod
    async def of(cls, app: App, name: str) -> "Mirror":
        """Read from the server: the root first, as the SDKs do."""
        root = await app.root(name)
        return cls(name, root, {} if name.endswith(".channel") else await app.items(name))

    @property
    def state(self) -> Any:
        return self.data if self.name.endswith(".channel") else {key: data for key, (_, data) in self.items.items()}

    def hear(self, told: list[dict[str, Any]]) -> None:
        """Take in what concerns this object."""
        for notification in told:
            event = notification["event"]
            sid = next((event[key] for key in ("map_sid", "list_sid", "document_sid") if key in event), None)
            if sid == self.sid:
                self.apply(notification["event_type"], event)
            elif event.get("object_sid") == self.sid and event.get("replay_status") == "completed":
                assert event["last_event_id"] >= self.last_event_id
                self.last_event_id = event["last_event_id"]

    def apply(self, event_type: str, event: dict[str, Any]) -> None:
        self.events.append(event_type)
        assert not self.removed
        assert event["id"] >= self.last_event_id, (self.name, event_type, event, self.last_event_id)
        self.last_event_id = event["id"]
        if event_type == "document_updated":
            self.data = event["document_data"]
        elif event_type.endswith("_item_removed"):
            key = event.get("item_key", event.get("item_index"))
            assert key in self.items, (event_type, event)
            assert event["id"] > self.items[key][0]
            del self.items[key]
        elif "_item_" in event_type:
            self._write(event_type, event)
        else:
            self.removed = True

    def _write(self, event_type: str, event: dict[str, Any]) -> None:
        key = event.get("item_key", event.get("item_index"))
        if event_type.endswith("_added"):
            assert key not in self.items, (event_type, event)
        else:
            assert event["id"] > self.items[key][0]
        self.items[key] = (event["id"], event["item_data"])
