"""Where a hook points now: a retry and a replay follow it when it was mended."""

from collections.abc import Mapping

import msgspec

from hubbub.delivery import sql
from hubbub.delivery.model import Delivery
from hubbub.resources.webhooks.model import STUDIO
from hubbub.storage.database import Reader

SWITCHED_OFF = "The service has no URL for post-event webhooks any more."


async def refresh(reader: Reader, flows: Mapping[str, str], delivery: Delivery) -> None:
    """Point the delivery where its hook points now; one whose hook is gone goes where it pointed at the event."""
    service = await sql.target_of_service(reader, delivery.service_sid)
    if service is None:
        return
    delivery.secret_version = service.secret_version
    if delivery.hook == delivery.service_sid:
        delivery.url, delivery.method, delivery.retry_count = service.url, service.method, service.retry_count
        delivery.error = None if service.url else SWITCHED_OFF
        return
    found = await sql.configuration_of_hook(reader, delivery.hook)
    if found is None:
        return
    configuration = msgspec.json.decode(found[1])
    delivery.retry_count = configuration["retry_count"]
    if found[0] == STUDIO:
        delivery.url = flows.get(configuration["flow_sid"])
    else:
        delivery.url, delivery.method = configuration["url"], configuration["method"]
