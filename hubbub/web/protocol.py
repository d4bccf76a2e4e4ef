"""uvicorn's HTTP protocol with an end to the head of a request, which its parser would gather without limit."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT = 64 * 1024


class BoundedProtocol(HttpToolsProtocol):
    """Refuses a request line and headers that together pass the limit before they end."""

    _head = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.scope is None or "method" in self.scope:  # uvicorn adds the method when the head is complete
            self._head = 0
            return
        self._head += len(data)
        if self._head > HEAD_LIMIT and not self.transport.is_closing():
            self.send_400_response("Request head too large.")
