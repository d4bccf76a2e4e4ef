"""What end users may do: every permission with every action, in public and private channels, from every standing.

In process: the actions are called as the commands of the client SDKs call them.
"""

import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from msgspec.structs import replace

from hubbub.app import open_chat
from hubbub.chat import Caller, Chat, Emitted
from hubbub.errors import ERRORS, ChatError, Kind
from hubbub.resources import permissions
from hubbub.resources.accounts.sql import get_account
from hubbub.resources.channels import actions as channels
from hubbub.resources.invites import actions as invites
from hubbub.resources.members import actions as members
from hubbub.resources.messages import actions as messages
from hubbub.resources.roles import actions as roles
from hubbub.resources.roles.model import SCOPES
from hubbub.resources.services import actions as services
from hubbub.resources.users import actions as users
from hubbub.serve import first_account
from hubbub.settings import load
from tests.api.permitted import (
    CASES,
    IN_CHANNEL,
    IN_SERVICE,
    INVITED,
    MEMBER,
    PAGE,
    PRIVATE,
    PUBLIC,
    STRANGER,
    Case,
    Scene,
)
from tests.conftest import new_database
from tests.harness import ACCOUNT_SID, AUTH_TOKEN

pytestmark = pytest.mark.asyncio(loop_scope="module")

Grant = tuple[set[str], set[str]]
DENIED = ERRORS.NOT_AUTHORIZED


@contextlib.contextmanager
def told(expected: Kind) -> Iterator[None]:
    """The error that the block ends with."""
    with pytest.raises(ChatError) as caught:
        yield
    assert (caught.value.code, caught.value.status) == (expected.code, expected.status)


class Stage:
    """Makes scenes, and hears what they emit."""

    def __init__(self, chat: Chat, owner: Caller) -> None:
        self.chat, self.owner = chat, owner
        self.heard: list[Emitted] = []
        chat.bus.listen(self.heard.extend)

    async def scene(self, type_: str = PUBLIC, standing: str = MEMBER) -> Scene:
        return await Scene(self.chat, self.owner, self.heard).begin(type_, standing)


@pytest.fixture(scope="module")
def environment(
    engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    directory = tmp_path_factory.mktemp(f"permissions-{engine}")
    return {
        "HUBBUB_DATA_DIR": str(directory),
        "HUBBUB_DATABASE": new_database(engine, request, directory),
        "HUBBUB_ACCOUNT_SID": ACCOUNT_SID,
        "HUBBUB_AUTH_TOKEN": AUTH_TOKEN,
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(environment: dict[str, str]) -> AsyncIterator[Stage]:
    """The chat in this process, on a database of its own."""
    async with open_chat(load({}, environment)) as chat:
        await first_account(chat)
        account = await get_account(chat.database, ACCOUNT_SID)
        assert account is not None
        yield Stage(chat, Caller(account.key, ACCOUNT_SID))


async def refused(scene: Scene, case: Case, expected: Kind) -> None:
    """The action is refused with just this error; nothing is stored, emitted or asked of a webhook."""
    before = await scene.stored()
    scene.emitted.clear()
    scene.hooks.called.clear()

    with told(expected):
        await case.act(scene)

    assert await scene.stored() == before
    assert scene.emitted == []
    assert scene.hooks.called == []


def rising(case: Case) -> Iterator[Grant]:
    """Nothing, then all but what opens the action, then each of those alone: by the service role, by the channel's."""
    yield set(), set()
    yield IN_SERVICE - case.openers(), IN_CHANNEL - case.openers()
    for opener in sorted(case.openers()):
        if opener in IN_SERVICE:
            yield {opener}, set()
        if opener in IN_CHANNEL:
            yield set(), {opener}


SETTINGS = [
    pytest.param(case, type_, standing, id=f"{case.name}-{type_}-{standing}")
    for case in CASES
    for type_, standing in itertools.product(case.types, case.standings)
]


@pytest.mark.parametrize(("case", "type_", "standing"), SETTINGS)
async def test_action_needs_its_permission(stage: Stage, case: Case, type_: str, standing: str) -> None:
    """With one of its permissions it is done; with every other one it is refused, and leaves no trace."""
    scene = await stage.scene(type_, standing)
    for in_service, in_channel in rising(case):
        await scene.grant(in_service, in_channel)
        held = in_service | (in_channel if standing == MEMBER else set())
        expected = case.refusal(type_, standing, held)
        if expected is not None:
            await refused(scene, case, expected)
            continue
        scene.emitted.clear()
        await case.act(scene)
        assert bool(scene.emitted) is not case.reads
        assert all(each.caller == scene.me for each in scene.emitted)
        if scene.emitted:
            scene = await stage.scene(type_, standing)


@pytest.mark.parametrize(("case", "type_", "standing"), SETTINGS)
async def test_back_end_needs_none(
    stage: Stage, case: Case, type_: str, standing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A back end does all of it without a permission, without a lookup of one, and without a pre-event webhook."""
    scene = await stage.scene(type_, standing)
    await scene.grant(set(), set())
    scene.me = scene.owner
    for lookup in ("standing", "grants"):
        monkeypatch.delattr(permissions, lookup)

    await case.act(scene)

    assert scene.hooks.called == []


async def test_join_of_a_private_channel_needs_more_than_permissions(stage: Stage) -> None:
    """A stranger does not find the channel, whatever its role."""
    scene = await stage.scene(PRIVATE, STRANGER)
    await scene.grant(IN_SERVICE, IN_CHANNEL)

    with told(ERRORS.NOT_FOUND):
        await scene.add("alice", scene.me)


async def test_private_channel_is_not_found_by_strangers(stage: Stage) -> None:
    """Neither by its SID nor by its unique name, nor in the list, nor where messages go."""
    scene = await stage.scene(PRIVATE, STRANGER)
    await scene.grant(IN_SERVICE, IN_CHANNEL)
    changes = {"unique_name": "secret"}
    await channels.update_channel(scene.chat, scene.owner, scene.channel, changes, webhook_enabled=False)
    shown = await scene.create(scene.owner, PUBLIC)

    for name in (scene.channel.sid, "secret"):
        with told(ERRORS.NOT_FOUND):
            await channels.access_channel(scene.chat, scene.me, scene.service.sid, name)
    with told(ERRORS.NOT_FOUND):
        await scene.say()
    for types in ([], [PRIVATE], [PRIVATE, PUBLIC]):
        found = await channels.list_channels(scene.chat, scene.me, scene.service, types, PAGE)
        assert [channel.sid for channel in found.rows] == [shown.sid]


async def test_maker_of_a_private_channel_may_join_it_once(stage: Stage) -> None:
    """It finds its channel and joins without a permission, with the role of makers; once it left it is a stranger."""
    scene = await stage.scene(PRIVATE, STRANGER)
    await scene.grant({"createChannel"}, set())
    scene.channel = await scene.create(scene.me, PRIVATE)

    await channels.access_channel(scene.chat, scene.me, scene.service.sid, scene.channel.sid)
    with told(ERRORS.NOT_MEMBER):
        await scene.say()
    member = await scene.add("alice", scene.me)
    assert member.role_sid == scene.service.default_channel_creator_role_sid
    await scene.remove("alice", scene.me)
    with told(ERRORS.NOT_FOUND):
        await channels.access_channel(scene.chat, scene.me, scene.service.sid, scene.channel.sid)
    with told(ERRORS.NOT_FOUND):
        await scene.add("alice", scene.me)


async def test_maker_of_a_public_channel_needs_the_permission_to_join(stage: Stage) -> None:
    """Nobody has to let it in, but its role must."""
    scene = await stage.scene(PUBLIC, STRANGER)
    await scene.grant({"createChannel"}, set())
    scene.channel = await scene.create(scene.me, PUBLIC)

    with told(ERRORS.NOT_AUTHORIZED):
        await scene.add("alice", scene.me)


@pytest.mark.parametrize("type_", [PUBLIC, PRIVATE])
async def test_member_that_joins_again_is_told_so(stage: Stage, type_: str) -> None:
    """The error is that of a member, not of a permission."""
    scene = await stage.scene(type_)
    await scene.grant(set(), set())

    with told(ERRORS.MEMBER_EXISTS):
        await scene.add("alice", scene.me)


async def test_member_has_no_invite_to_decline(stage: Stage) -> None:
    """It is told that it has joined; a stranger only that there is none."""
    scene = await stage.scene()
    with told(ERRORS.DECLINED_AS_MEMBER):
        await scene.drop_invite("alice")

    scene = await stage.scene(PUBLIC, STRANGER)
    with told(ERRORS.NOT_FOUND):
        await scene.drop_invite("alice")


async def test_member_is_named_by_those_who_may_know_it(stage: Stage) -> None:
    """Whoever is outside of a public channel learns nothing about who is inside, but for those who may remove."""
    scene = await stage.scene(PUBLIC, STRANGER)
    await scene.grant(IN_SERVICE - {"removeMember"}, set())
    for name in ("bob", "dave", scene.bob.sid):
        with told(ERRORS.NOT_MEMBER):
            await members.access_member(scene.chat, scene.me, scene.channel, name)

    await scene.grant({"removeMember"}, set())
    assert (await members.access_member(scene.chat, scene.me, scene.channel, "bob")).sid == scene.bob.sid


async def test_invite_is_named_by_those_who_may_know_it(stage: Stage) -> None:
    """Whether there is one or not, the answer is the same."""
    scene = await stage.scene()
    await scene.grant(IN_SERVICE - {"inviteMember"}, IN_CHANNEL - {"inviteMember"})

    for name in ("carol", "dave", scene.carols.sid):
        with told(ERRORS.NOT_AUTHORIZED):
            await invites.access_invite(scene.chat, scene.me, scene.channel, name)


async def test_user_channels_are_their_users_own(stage: Stage) -> None:
    """Alice finds hers, and nobody else's."""
    scene = await stage.scene()
    sids = (scene.service.sid, scene.channel.sid)

    found, *_ = await members.access_user_channel(scene.chat, scene.me, sids[0], "alice", sids[1])
    assert found.status == "joined"
    listed = await members.list_user_channels(scene.chat, scene.me, scene.users["alice"], PAGE)
    assert [each.channel_sid for each in listed.rows] == [sids[1]]
    with told(ERRORS.NOT_FOUND):
        await members.access_user_channel(scene.chat, scene.me, sids[0], "bob", sids[1])
    with told(ERRORS.NOT_FOUND):
        await members.list_user_channels(scene.chat, scene.me, scene.users["bob"], PAGE)


async def test_invited_user_has_no_horizon(stage: Stage) -> None:
    """Neither that nor a notification level: both come with joining."""
    scene = await stage.scene(PRIVATE, INVITED)
    await scene.grant(IN_SERVICE - {"removeMember"}, IN_CHANNEL)

    for changes in ({"last_consumed_message_index": 0}, {"notification_level": "muted"}):
        with told(ERRORS.NOT_MEMBER):
            await scene.edit_user_channel(**changes)


async def test_other_services_are_closed(stage: Stage) -> None:
    """A token is for one service; the account's others do not exist for it."""
    scene, other = await stage.scene(), await stage.scene()
    sid, channel = other.service.sid, other.channel.sid
    await channels.locate_channel(scene.chat, scene.owner, sid, channel)  # known from now on

    for attempt in (
        services.access_service(scene.chat, scene.me, sid),
        services.access_service_itself(scene.chat, scene.me, sid),
        channels.access_channel(scene.chat, scene.me, sid, channel),
        channels.locate_channel(scene.chat, scene.me, sid, channel),
        users.access_user(scene.chat, scene.me, sid, "alice"),
    ):
        with told(ERRORS.SERVICE_NOT_FOUND):
            await attempt


async def test_channel_permission_for_user_info_ends_at_its_members(stage: Stage) -> None:
    """With the permission in a channel alice edits those who are in it with her, and nobody else."""
    scene = await stage.scene()
    await scene.grant(set(), {"editAnyUserInfo"})

    await scene.edit_user("bob", friendly_name="Bob")
    for name in ("carol", "dave"):
        with told(ERRORS.NOT_AUTHORIZED):
            await scene.edit_user(name, friendly_name="Them")


async def test_each_change_of_an_update_needs_its_permission(stage: Stage) -> None:
    """One that is missing is enough to refuse all."""
    scene = await stage.scene()
    await scene.grant({"editChannelName"}, {"editOwnMessage"})

    await refused(scene, Case("both", lambda s: s.edit_channel(friendly_name="x", attributes="[]")), DENIED)
    await refused(scene, Case("both", lambda s: s.edit_message(s.mine, body="x", attributes="[]")), DENIED)
    await scene.grant({"editChannelName", "editOwnMessageAttributes"}, {"editOwnMessage", "editChannelAttributes"})
    await scene.edit_channel(friendly_name="x", attributes="[]")
    await scene.edit_message(scene.mine, body="x", attributes="[]")


async def test_change_of_a_role_acts_at_once(stage: Stage) -> None:
    """The permissions of a role, the role of a member, and the role of a user."""
    scene = await stage.scene()
    role, _ = await roles.access_role(
        scene.chat, scene.owner, scene.service.sid, scene.service.default_channel_role_sid
    )
    await scene.say()
    await roles.update_role(scene.chat, role, ["leaveChannel"])
    with told(DENIED):
        await scene.say()

    member = await members.access_member(scene.chat, scene.owner, scene.channel, "alice")
    admin = {"role_sid": scene.service.default_channel_creator_role_sid}
    await members.update_member(scene.chat, scene.owner, scene.channel, member, admin, webhook_enabled=False)
    await scene.say()

    with told(DENIED):
        await scene.edit_user("dave", friendly_name="Dave")
    curator = await roles.create_role(scene.chat, scene.service, "curator", "deployment", ["editAnyUserInfo"])
    changes = {"role_sid": curator.sid}
    await users.update_user(scene.chat, scene.owner, scene.users["alice"], changes, webhook_enabled=False)
    await scene.edit_user("dave", friendly_name="Dave")


async def test_end_of_a_membership_acts_at_once(stage: Stage) -> None:
    """Who was removed neither writes nor reads."""
    scene = await stage.scene()
    await scene.say()

    await scene.remove("alice")

    with told(ERRORS.NOT_MEMBER):
        await scene.say()
    with told(ERRORS.NOT_MEMBER):
        await messages.list_messages(scene.chat, scene.me, scene.channel, "asc", PAGE)


async def test_deleted_user_may_do_nothing(stage: Stage) -> None:
    """Its token may still be good, but no role is left to it."""
    scene = await stage.scene()
    await users.delete_user(scene.chat, scene.owner, scene.users["alice"])

    with told(ERRORS.NOT_MEMBER):
        await scene.say()
    with told(DENIED):
        await scene.create(scene.me, PUBLIC)
    with told(DENIED):
        await scene.add("alice", scene.me)


async def test_deleted_channel_is_not_found(stage: Stage) -> None:
    """Not even by who was in it."""
    scene = await stage.scene()
    await channels.delete_channel(scene.chat, scene.owner, scene.channel, webhook_enabled=False)

    with told(ERRORS.NOT_FOUND):
        await scene.say()
    with told(ERRORS.NOT_FOUND):
        await messages.list_messages(scene.chat, scene.me, scene.channel, "asc", PAGE)


@pytest.mark.parametrize("with_file", [False, True])
async def test_sender_who_is_removed_meanwhile_is_refused(stage: Stage, with_file: bool) -> None:
    """While its webhook was asked it was removed: nothing is stored, no index is lost, the file can be sent again."""
    scene = await stage.scene()
    scene.hooks.meanwhile = lambda: scene.remove("alice")

    with told(ERRORS.NOT_MEMBER):
        await scene.say(scene.file if with_file else None)

    following = await scene.send("bob")
    assert following.index == scene.others.index + 1
    scene.hooks.meanwhile = None
    await scene.add("alice")
    assert (await scene.say(scene.file)).index == following.index + 1


async def test_file_of_somebody_else_is_not_sent(stage: Stage) -> None:
    """It is not there for the sender, who would get to read it; whose it is may still send it."""
    scene = await stage.scene()
    others = [await scene.upload(replace(scene.me, identity="bob")), await scene.upload(scene.owner)]

    for file in others:
        with told(ERRORS.MEDIA_NOT_FOUND):
            await scene.say(file)

    assert (await scene.say(scene.file)).index == scene.others.index + 1


async def test_join_whose_invite_is_revoked_meanwhile_is_refused(stage: Stage) -> None:
    """The invite must still be there when it is used."""
    scene = await stage.scene(PRIVATE, INVITED)
    invite = await invites.access_invite(scene.chat, scene.owner, scene.channel, "alice")
    scene.hooks.meanwhile = lambda: invites.delete_invite(scene.chat, scene.owner, scene.channel, invite)

    with told(DENIED):
        await scene.add("alice", scene.me)

    found = await members.list_members(scene.chat, scene.owner, scene.channel, [], PAGE)
    assert [member.identity for member in found.rows] == ["bob"]


async def test_webhook_may_change_what_its_user_may_not(stage: Stage) -> None:
    """The answer of a pre-event webhook is the back end's word: no permission of the user bounds it."""
    scene = await stage.scene()
    await scene.grant(set(), {"sendMessage", "editOwnMemberAttributes"})
    role_sid = scene.service.default_channel_creator_role_sid

    scene.hooks.answer = {"from_": "bob", "body": "better"}
    sent = await scene.say()
    scene.hooks.answer = {"role_sid": role_sid}
    edited = await scene.edit_member("alice", attributes="[1]")

    assert (sent.from_, sent.body) == ("bob", "better")
    assert edited.role_sid == role_sid


async def test_every_permission_opens_something() -> None:
    """The cases know all permissions of both kinds of role, and no other."""
    opened = {permission for case in CASES for permission in case.openers()}

    assert opened == IN_SERVICE | IN_CHANNEL
    assert SCOPES == {"deployment": IN_SERVICE, "channel": IN_CHANNEL}
