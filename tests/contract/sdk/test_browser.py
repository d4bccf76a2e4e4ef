"""An app in a real browser, from a page of another origin: WebSocket, upload and download as browsers allow them."""

from pathlib import Path

import pytest

from tests.contract.sdk.browser import Done, PageServer, find_browser, open_page, serving
from tests.contract.sdk.flows import PACKAGES, About

BUILDS = [
    pytest.param("twilio-chat/builds/twilio-chat.min.js", id="chat-6.0.0"),
    pytest.param("chat5/dist/twilio-chat.min.js", id="chat-5.0.2"),
    pytest.param("conv3/builds/twilio-conversations.min.js", id="conversations-3.0.1"),
]


@pytest.fixture(scope="module", autouse=True)
def browser(sdks: None) -> None:
    """The tests are skipped with one line where there is no browser."""
    if find_browser() is None:
        pytest.skip("an app in a browser needs chromium")


@pytest.mark.parametrize("build", BUILDS)
def test_page_of_another_origin_chats_and_shares_a_file(build: str, about: About, tmp_path: Path) -> None:
    """It connects, sends, receives, uploads a file and reads it again."""

    def say(told: Done) -> None:
        with about.server.client() as client:
            path = f"/v2/Services/{about.service_sid}/Channels/{told['channel']}/Messages"
            assert client.post(path, data={"Body": told["body"]}).is_success

    known = {
        "token": about.signer.token("alice", about.service_sid),
        "uri": f"ws://127.0.0.1:{about.server.port}/v3/wsconnect",
    }
    with serving(PageServer(PACKAGES / build, known, say)) as server:
        done = open_page(server, tmp_path / "profile")

        assert done == {
            "origin": server.origin,
            "identity": "alice",
            "sent": ["Grüße 🎉", {"from": "a page"}],
            "received": "from the back end",
            "file": ["note.txt", "text/plain", 15],
            "content": "bytes of a file",
            "subscribed": 1,
        }
