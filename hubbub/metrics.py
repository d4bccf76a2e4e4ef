"""What a process counts and measures, as Prometheus reads it."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600, 6 * 3600, 24 * 3600)


class Metrics:
    """Every metric of one process."""

    content_type = CONTENT_TYPE_LATEST.encode()

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.webhooks = Counter(
            "hubbub_webhooks",
            "Webhooks after the fact, by what became of them: delivered, retrying, refused, dead.",
            ["state"],
            registry=self._registry,
        )
        self.webhook_seconds = Histogram(
            "hubbub_webhook_seconds",
            "From an event to its webhook's arrival.",
            buckets=SECONDS,
            registry=self._registry,
        )
        self.oldest_waiting = Gauge(
            "hubbub_webhook_oldest_waiting_seconds",
            "Age of the oldest webhook that waits for its first try.",
            registry=self._registry,
        )

        self.pushes = Counter(
            "hubbub_pushes",
            "Tries to push, by credential and what became of them: delivered, retrying, refused, dead.",
            ["credential_sid", "state"],
            registry=self._registry,
        )
        self.push_seconds = Histogram(
            "hubbub_push_seconds",
            "From an event to the push service's acceptance of one of its pushes.",
            buckets=SECONDS,
            registry=self._registry,
        )
        self.push_oldest_waiting = Gauge(
            "hubbub_push_oldest_waiting_seconds",
            "Age of the oldest push that is due and that nobody sends.",
            registry=self._registry,
        )
        self.push_stopped = Gauge(
            "hubbub_push_credential_stopped",
            "1 for each credential that its push service takes nothing with.",
            ["credential_sid"],
            registry=self._registry,
        )

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)
