// What the back end does by REST reaches the clients; and what clients may not do is refused as REST refuses it.
'use strict';

const http = require('node:http');
const sdk = require('twilio-chat');
const { because, check, connect, refusal, rest, scenario, step, until, wait } = require('./scenario');

const FORBIDDEN = { status: 403, code: 50107 };

scenario(async () => {
  const [alice, bob] = await step('clients connect', () => Promise.all([connect(sdk, 'alice'), connect(sdk, 'bob')]));
  const channel = await membership(alice, bob);
  await changes(alice, bob, channel);
  await permissions(alice, bob, channel);
  await webhooks(alice, channel);
  await endings(alice, channel);
});

async function membership(alice, bob) {
  const sid = await step('a member that REST adds has the channel', async () => {
    const made = await rest('POST', '/Channels', { FriendlyName: 'By REST', Type: 'private' });
    const joined = [alice, bob].map((client) => wait(client, 'channelJoined'));
    for (const Identity of ['alice', 'bob']) await rest('POST', `/Channels/${made.sid}/Members`, { Identity });
    check('which', (await Promise.all(joined)).map((each) => each.sid), [made.sid, made.sid]);
    return made.sid;
  });
  const channel = await alice.getChannelBySid(sid);
  await channel.getMembers();
  return channel;
}

async function changes(alice, bob, channel) {
  const path = `/Channels/${channel.sid}`;
  await step('a message is sent, edited and deleted', async () => {
    const added = wait(channel, 'messageAdded');
    const { sid } = await rest('POST', `${path}/Messages`, { Body: 'one', From: 'bob', Attributes: '{"a":1}' });
    check('added', [(await added).sid, (await added).body, (await added).attributes], [sid, 'one', { a: 1 }]);
    const updated = wait(channel, 'messageUpdated');
    await rest('POST', `${path}/Messages/${sid}`, { Body: 'two' });
    check('updated', (await updated).message.body, 'two');
    const removed = wait(channel, 'messageRemoved');
    await rest('DELETE', `${path}/Messages/${sid}`);
    check('removed', (await removed).sid, sid);
  });
  await step('a channel is edited', async () => {
    const updated = wait(channel, 'updated', because('friendlyName'));
    await rest('POST', path, { FriendlyName: 'Renamed', Attributes: '{"b":2}', UniqueName: 'renamed' });
    await updated;
    check('names', [channel.friendlyName, channel.uniqueName, channel.attributes], ['Renamed', 'renamed', { b: 2 }]);
  });
  await step('a member is edited', async () => {
    const updated = wait(channel, 'memberUpdated', because('attributes'));
    await rest('POST', `${path}/Members/bob`, { Attributes: '{"c":3}' });
    check('attributes', (await updated).member.attributes, { c: 3 });
  });
  await step('a user is edited', async () => {
    const user = await alice.getUser('bob');
    const updated = wait(user, 'updated', because('friendlyName'));
    await rest('POST', '/Users/bob', { FriendlyName: 'Robert' });
    check('name', (await updated).user.friendlyName, 'Robert');
  });
  await step('an own horizon and level are set', async () => {
    const updated = wait(channel, 'updated', because('notificationLevel'));
    await rest('POST', `/Users/alice/Channels/${channel.sid}`, { NotificationLevel: 'muted' });
    check('level', (await updated).channel.notificationLevel, 'muted');
  });
  await step('a user is invited', async () => {
    const other = await rest('POST', '/Channels', { FriendlyName: 'Come in', Type: 'private' });
    const invited = wait(bob, 'channelInvited');
    await rest('POST', `/Channels/${other.sid}/Invites`, { Identity: 'bob' });
    check('which', (await invited).sid, other.sid);
  });
  await step('a member is removed', async () => {
    const left = wait(bob, 'channelLeft', (each) => each.sid === channel.sid);
    const seen = wait(channel, 'memberLeft');
    await rest('DELETE', `/Channels/${channel.sid}/Members/bob`);
    await left;
    check('who', (await seen).identity, 'bob');
  });
}

async function permissions(alice, bob, channel) {
  await step('what a member may not do is 403 / 50107', async () => {
    const { sid } = await rest('POST', `/Channels/${channel.sid}/Messages`, { Body: 'not hers', From: 'bob' });
    await until('it is there', () => channel.lastMessage?.index === 1);
    const message = (await channel.getMessages(1)).items[0];
    check('the message', message.sid, sid);
    check('rename', await refusal(channel.updateFriendlyName('Mine')), FORBIDDEN);
    check('add', await refusal(channel.add('bob')), FORBIDDEN);
    check('invite', await refusal(channel.invite('bob')), FORBIDDEN);
    check('delete', await refusal(channel.delete()), FORBIDDEN);
    check('edit of another', await refusal(message.updateBody('mine')), FORBIDDEN);
    check('removal of another', await refusal(message.remove()), FORBIDDEN);
    check('nothing has changed', [channel.friendlyName, channel.status], ['Renamed', 'joined']);
  });
  await step('who is no member does not see a private channel', async () => {
    check('status', (await refusal(bob.getChannelBySid(channel.sid))).status, 404);
  });
  await step('a role that is given acts at once, and one that is taken', async () => {
    const { roles } = await rest('GET', '/Roles');
    const named = (name) => roles.find((role) => role.friendly_name === name);
    const [admin, user] = [named('channel admin'), named('channel user')];
    await rest('POST', `/Channels/${channel.sid}/Members/alice`, { RoleSid: admin.sid });
    await channel.updateFriendlyName('Mine now');
    await rest('POST', `/Channels/${channel.sid}/Members/alice`, { RoleSid: user.sid });
    check('again', await refusal(channel.updateFriendlyName('Mine')), FORBIDDEN);
  });
}

async function webhooks(alice, channel) {
  await step('a message that the pre-event webhook refuses is refused', async () => {
    const receiver = http.createServer((request, response) => answer(request, response));
    await new Promise((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${receiver.address().port}/`;
    await rest('POST', '', { PreWebhookUrl: url, WebhookMethod: 'POST', WebhookFilters: 'onMessageSend' });
    check('refused', (await refusal(channel.sendMessage('bad words'))).status, 403);
    const added = wait(channel, 'messageAdded');
    await channel.sendMessage('change me');
    check('changed', (await added).body, 'changed');
    await rest('POST', '', { PreWebhookUrl: '' });
    await new Promise((resolve) => receiver.close(resolve));
  });
}

function answer(request, response) {
  let body = '';
  request.on('data', (data) => { body += data; });
  request.on('end', () => {
    const text = new URLSearchParams(body).get('Body');
    response.writeHead(text === 'bad words' ? 403 : 200, { 'Content-Type': 'application/json', Connection: 'close' });
    response.end(text === 'change me' ? '{"body":"changed"}' : '{}');
  });
}

async function endings(alice, channel) {
  await step('a channel that REST deletes is removed', async () => {
    const removed = wait(alice, 'channelRemoved', (each) => each.sid === channel.sid);
    await rest('DELETE', `/Channels/${channel.sid}`);
    await removed;
  });
}
