"""Names and texts come back as they were given, and a name addresses its thing wherever a path takes one."""

from typing import Any

import httpx
from hypothesis import example, given
from hypothesis import strategies as st

from tests.properties.drawing import Reached, bounded, fresh_service, in_path, json_texts, names, texts

PROVED = frozenset(
    {
        *("CreateUser", "FetchUser", "UpdateUser", "CreateChannel", "FetchChannel", "UpdateChannel"),
        *("CreateMember", "FetchMember", "UpdateMember", "ListMember", "DeleteMember"),
        *("CreateMessage", "FetchMessage", "UpdateMessage", "FetchUserChannel", "ListUserChannel"),
    }
)


@bounded(50)
@given(identity=names, unique_name=names, friendly_name=names, body=texts, attributes=json_texts())
@example(identity=".", unique_name="..", friendly_name=" ", body="", attributes="null")
@example(identity="a/b", unique_name="../Users", friendly_name="+", body="\r\n", attributes=' { "a" : 1 } ')
@example(identity="%2F", unique_name="%", friendly_name="%00", body="%", attributes='{"a":1,"a":2}')
@example(identity="a b", unique_name="a+b", friendly_name="a&b=c", body="&=", attributes='"\\u0000"')
@example(identity="Messages", unique_name="Channels?x#y", friendly_name="é", body="e\u0301", attributes="[]")
def test_names_round_trip(
    client: httpx.Client, *, identity: str, unique_name: str, friendly_name: str, body: str, attributes: str
) -> None:
    """Identities, unique names, friendly names, bodies and attributes are kept to the letter and address."""
    reached = Reached(client)
    texts = {"FriendlyName": friendly_name, "Attributes": attributes}
    message = {"Body": body, "From": identity, "Attributes": attributes, "LastUpdatedBy": identity}

    def ask(method: str, path: str, **options: Any) -> Any:
        response = client.request(method, path, **options)
        assert response.is_success, f"{method} {path}: {response.text}"
        return response.json() if response.content else None

    with fresh_service(client) as root:
        user, channel = f"{root}/Users/{in_path(identity)}", f"{root}/Channels/{in_path(unique_name)}"
        member = f"{channel}/Members/{in_path(identity)}"
        made = ask("POST", f"{root}/Users", data={"Identity": identity, **texts})
        room = ask("POST", f"{root}/Channels", data={"UniqueName": unique_name, "CreatedBy": identity, **texts})
        joined = ask("POST", f"{channel}/Members", data={"Identity": identity, "Attributes": attributes})
        sent = ask("POST", f"{channel}/Messages", data=message)

        assert (made["identity"], made["friendly_name"]) == (identity, friendly_name)
        assert (room["unique_name"], room["friendly_name"]) == (unique_name, friendly_name)
        assert (room["created_by"], joined["identity"]) == (identity, identity)
        assert (sent["body"], sent["from"], sent["last_updated_by"]) == (body, identity, identity)
        assert {each["attributes"] for each in (made, room, joined, sent)} == {attributes}

        assert ask("GET", user) == made | {"joined_channels_count": 1}
        assert ask("GET", channel)["sid"] == room["sid"]
        assert ask("GET", member) == joined
        assert ask("GET", f"{channel}/Messages/{sent['sid']}") == sent
        assert ask("GET", f"{user}/Channels/{in_path(unique_name)}")["channel_sid"] == room["sid"]
        assert [each["channel_sid"] for each in ask("GET", f"{user}/Channels")["channels"]] == [room["sid"]]
        filtered = ask("GET", f"{channel}/Members", params={"Identity": identity})
        assert filtered["members"] == [joined]
        assert ask("GET", filtered["meta"]["url"]) == filtered

        # The same texts through the updates.
        assert ask("POST", user, data=texts)["friendly_name"] == friendly_name
        assert ask("POST", member, data={"Attributes": attributes})["attributes"] == attributes
        assert ask("POST", f"{channel}/Messages/{sent['sid']}", data=message)["body"] == body
        renamed = ask("POST", channel, data={"UniqueName": f"{unique_name}2", **texts})
        assert renamed["unique_name"] == f"{unique_name}2"
        assert client.get(channel).status_code == 404
        again = f"{root}/Channels/{in_path(f'{unique_name}2')}"
        ask("DELETE", f"{again}/Members/{in_path(identity)}")
        assert client.get(f"{again}/Members/{in_path(identity)}").status_code == 404
    assert reached.operations >= PROVED


@bounded(20)
@given(one=names, other=names)
@example(one="a", other="A")
@example(one="é", other="e\u0301")
@example(one="a", other="a ")
@example(one="ß", other="ss")
def test_names_that_differ_are_different(client: httpx.Client, one: str, other: str) -> None:
    """Two names are the same only letter for letter: no case folding, trimming or normalising."""
    second = 409 if one == other else 201
    with fresh_service(client) as root:
        for path, key, field in (("Users", "Identity", "identity"), ("Channels", "UniqueName", "unique_name")):
            statuses = [client.post(f"{root}/{path}", data={key: name}).status_code for name in (one, other)]
            found = [client.get(f"{root}/{path}/{in_path(name)}").json()[field] for name in (one, other)]

            assert statuses == [201, second]
            assert found == [one, other]


@bounded(8)
@given(before=texts, after=st.text(max_size=3))
def test_nul_is_refused(client: httpx.Client, service: dict[str, Any], before: str, after: str) -> None:
    """No value may hold NUL, which PostgreSQL cannot keep: 400 in a form, 404 in a path."""
    root = f"/v2/Services/{service['sid']}"
    name = f"{before}\0{after}"

    refused = client.post(f"{root}/Users", data={"Identity": name})
    missing = client.get(f"{root}/Users/{in_path(name)}")

    assert (refused.status_code, refused.json()["code"]) == (400, 20001)
    assert (missing.status_code, missing.json()["code"]) == (404, 20404)
