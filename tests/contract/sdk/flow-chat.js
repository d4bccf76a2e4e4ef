// All that an app does with twilio-chat, by one of its versions: `node flow-chat.js twilio-chat|chat5|chat4|chat3`.
'use strict';

const name = process.argv[2];
const sdk = require(name);
const {
  Proxy, address, because, check, connect, range, refusal, rest, scenario, step, token, until, wait,
} = require('./scenario');

const MISSING = `CH${'0'.repeat(32)}`;
// 4.x and older keep what they asked for and gather what they report; they are to do both for as short as they can.
const older = ['chat4', 'chat3'].includes(name);
const quick = older ? { httpCacheIntervalOverride: 'PT1S', consumptionReportIntervalOverride: 'PT1S' } : {};
const TEXT = 'Grüße, 世界 🎉';

scenario(async () => {
  const proxy = await new Proxy().open();
  const alice = await step('alice connects', () => connect(sdk, 'alice', quick));
  const bob = await step('bob connects', () => connect(sdk, 'bob', { uri: address(proxy.port), ...quick }));
  await step('nobody has channels yet', async () => {
    check('channels', (await alice.getSubscribedChannels()).items, []);
    check('identity', alice.user.identity, 'alice');
  });
  const channel = await joinAndAdd(alice, bob);
  const his = await bob.getChannelBySid(channel.sid);
  await messages(alice, bob, channel, his);
  const typed = typing(alice, channel, his); // ends later
  await horizon(alice, channel, his);
  await edits(alice, bob, channel, his);
  await typed;
  await paging(alice, channel, his);
  await directory(alice, channel);
  await users(alice, bob);
  if (!older) await media(bob, channel, his); // see flow-region.js
  await invitations(alice, bob);
  await push(bob);
  await losses(alice, bob, channel, his, proxy);
  await tokens(bob);
  await endings(alice, bob, channel, his);
});

async function joinAndAdd(alice, bob) {
  const channel = await step('createChannel', async () => {
    const added = wait(alice, 'channelAdded');
    const options = { friendlyName: 'General', uniqueName: 'general', attributes: { topic: 'x' } };
    const made = await alice.createChannel(options);
    check('the event', (await added).sid, made.sid);
    check('names', [made.friendlyName, made.uniqueName, made.createdBy], ['General', 'general', 'alice']);
    check('attributes', [made.attributes, made.type, made.isPrivate], [{ topic: 'x' }, 'public', false]);
    return made;
  });
  await step('join', async () => {
    const joined = wait(alice, 'channelJoined', (each) => each.sid === channel.sid);
    await channel.join();
    await joined;
    check('status', channel.status, 'joined');
    check('the members', (await channel.getMembers()).map((member) => member.identity), ['alice']);
  });
  await step('add', async () => {
    const seen = wait(channel, 'memberJoined', (member) => member.identity === 'bob');
    const told = ['channelAdded', 'channelJoined'].map((event) => wait(bob, event, (each) => each.sid === channel.sid));
    await channel.add('bob');
    check('the member joined', (await seen).identity, 'bob');
    await Promise.all(told);
  });
  await step('getMembers', async () => {
    const members = await channel.getMembers();
    check('members', members.map((member) => member.identity).sort(), ['alice', 'bob']);
    const bobs = await channel.getMemberByIdentity('bob');
    check('by SID', (await channel.getMemberBySid(bobs.sid)).identity, 'bob');
    check('subscribed', (await bob.getSubscribedChannels()).items.map((each) => each.sid), [channel.sid]);
  });
  return channel;
}

async function messages(alice, bob, channel, his) {
  await step('sendMessage', async () => {
    const both = [channel, his].map((each) => wait(each, 'messageAdded'));
    check('index', await his.sendMessage(TEXT, { k: [1, 'ü'] }), 0);
    for (const message of await Promise.all(both)) {
      check('what came', [message.body, message.author, message.index, message.type], [TEXT, 'bob', 0, 'text']);
      check('attributes', message.attributes, { k: [1, 'ü'] });
      check('its member', (await message.getMember()).identity, 'bob');
    }
  });
  await step('a message that REST sends comes too', async () => {
    const came = wait(his, 'messageAdded');
    await rest('POST', `/Channels/${channel.sid}/Messages`, { Body: 'from REST', From: 'system' });
    const message = await came;
    check('what came', [message.body, message.author, message.index], ['from REST', 'system', 1]);
    await until('it is the last message', () => his.lastMessage?.index === 1);
  });
}

async function typing(alice, channel, his) {
  await step('typingStarted and typingEnded', async () => {
    await channel.getMembers();
    const begun = wait(channel, 'typingStarted');
    const ended = wait(channel, 'typingEnded');
    await his.typing();
    check('who types', (await begun).identity, 'bob');
    check('the member types', (await channel.getMemberByIdentity('bob')).isTyping, true);
    check('who ended', (await ended).identity, 'bob');
  });
}

async function horizon(alice, channel, his) {
  await step('the unread count is null before any horizon', async () => {
    check('unread', await channel.getUnconsumedMessagesCount(), null);
    check('own horizon', channel.lastConsumedMessageIndex, null);
  });
  await step('advanceLastConsumedMessageIndex', async () => {
    const seen = wait(channel, 'memberUpdated', because('lastConsumedMessageIndex'));
    check('what is unread', await his.advanceLastConsumedMessageIndex(0), 1);
    const { member } = await seen;
    check('the horizon', [member.identity, member.lastConsumedMessageIndex], ['bob', 0]);
    check('a time', member.lastConsumptionTimestamp instanceof Date, true);
    await until('own horizon', () => his.lastConsumedMessageIndex === 0);
  });
  await step('setAllMessagesConsumed and setNoMessagesConsumed', async () => {
    check('unread after all', await his.setAllMessagesConsumed(), 0);
    check('count', await his.getUnconsumedMessagesCount(), 0);
    const none = wait(his, 'updated', () => his.lastConsumedMessageIndex === null);
    await his.setNoMessagesConsumed();
    await none;
    await until('the count is null', async () => (await his.getUnconsumedMessagesCount()) === null);
  });
}

async function edits(alice, bob, channel, his) {
  const [message] = (await his.getMessages(10)).items;
  await channel.getMessages(10);
  await step('updateBody', async () => {
    const seen = wait(channel, 'messageUpdated', because('body'));
    await message.updateBody('edited');
    const edited = (await seen).message;
    check('the new body', [edited.body, edited.index, edited.lastUpdatedBy], ['edited', 0, 'bob']);
  });
  await step('message attributes', async () => {
    const seen = wait(channel, 'messageUpdated', because('attributes'));
    await message.updateAttributes({ star: true });
    check('attributes', (await seen).message.attributes, { star: true });
  });
  const updated = (reason) => wait(his, 'updated', because(reason));
  await step('friendlyName', async () => {
    const seen = updated('friendlyName');
    await channel.updateFriendlyName('Renamed');
    check('at bob', (await seen).channel.friendlyName, 'Renamed');
    check('at alice', channel.friendlyName, 'Renamed');
  });
  await step('channel attributes', async () => {
    const seen = updated('attributes');
    await channel.updateAttributes({ topic: 'y', deep: { er: [null] } });
    check('at bob', (await seen).channel.attributes, { topic: 'y', deep: { er: [null] } });
    check('asked for', await his.getAttributes(), { topic: 'y', deep: { er: [null] } });
  });
  await step('uniqueName', async () => {
    const seen = updated('uniqueName');
    await channel.updateUniqueName('main');
    check('at bob', (await seen).channel.uniqueName, 'main');
  });
  await step('notification level', async () => {
    const seen = updated('notificationLevel');
    await his.setUserNotificationLevel('muted');
    check('at bob', (await seen).channel.notificationLevel, 'muted');
    await his.setUserNotificationLevel('default');
  });
  await step('member attributes', async () => {
    const seen = wait(his, 'memberUpdated', because('attributes'));
    await (await channel.getMemberByIdentity('bob')).updateAttributes({ seat: 4 });
    check('at bob', (await seen).member.attributes, { seat: 4 });
  });
  await step('message removed', async () => {
    const both = [his, channel].map((each) => wait(each, 'messageAdded'));
    const index = await his.sendMessage('gone soon');
    const [own] = await Promise.all(both);
    check('the newest', (await his.getMessages(1)).items[0].index, index);
    const seen = wait(channel, 'messageRemoved');
    await own.remove();
    check('which', (await seen).index, index);
  });
}

async function paging(alice, channel, his) {
  const first = await step('75 messages come in order', async () => {
    const indexes = [];
    const gather = (message) => indexes.push(message.index);
    channel.on('messageAdded', gather);
    const last = wait(his, 'messageAdded', (message) => message.body === 'number 75');
    for (const number of range(1, 75)) {
      await rest('POST', `/Channels/${channel.sid}/Messages`, { Body: `number ${number}` });
    }
    await until('all are there', () => indexes.length >= 75);
    await last;
    channel.removeListener('messageAdded', gather);
    check('indexes', indexes, range(indexes[0], indexes[0] + 74));
    return indexes[0];
  });
  // By a new client: one that has seen messages come begins with a page that is shorter by one.
  const fresh = await step('a second device of bob connects', async () => {
    const device = await connect(sdk, 'bob');
    return device.getChannelBySid(his.sid);
  });
  await step('backwards paging', async () => {
    const last = first + 74;
    let page = await fresh.getMessages(30);
    check('page 1', page.items.map((each) => each.index), range(last - 29, last));
    check('there is more', [page.hasPrevPage, page.hasNextPage], [true, false]);
    page = await page.prevPage();
    check('page 2', page.items.map((each) => each.index), range(last - 59, last - 30));
    page = await page.prevPage();
    check('page 3', page.items.map((each) => each.index), [0, 1, ...range(first, last - 60)]);
    check('that is all', page.hasPrevPage, false);
    page = await page.nextPage();
    check('and back', page.items.map((each) => each.index), range(last - 59, last - 30));
  });
  await step('forward from an anchor', async () => {
    let page = await fresh.getMessages(10, first + 20, 'forward');
    check('page 1', page.items.map((each) => each.index), range(first + 20, first + 29));
    page = await page.nextPage();
    check('page 2', page.items.map((each) => each.index), range(first + 30, first + 39));
    check('bodies', page.items[0].body, 'number 31');
  });
  await step('counts', async () => {
    check('messages', await his.getMessagesCount(), 77);
    check('members', await his.getMembersCount(), 2);
  });
}

async function directory(alice, channel) {
  await step('public channel descriptors', async () => {
    for (const number of range(1, 3)) await rest('POST', '/Channels', { FriendlyName: `public ${number}` });
    const { items } = await alice.getPublicChannelDescriptors();
    const own = items.find((each) => each.sid === channel.sid);
    check('how many', items.length, 4);
    check('names', [own.friendlyName, own.uniqueName, own.createdBy], ['Renamed', 'main', 'alice']);
    check('counts', [own.messagesCount, own.membersCount], [77, 2]);
    check('attributes', own.attributes, { topic: 'y', deep: { er: [null] } });
    check('its channel', (await own.getChannel()).sid, channel.sid);
  });
  await step('user channel descriptors', async () => {
    const { items } = await alice.getUserChannelDescriptors();
    check('whose', items.map((each) => [each.sid, each.status]), [[channel.sid, 'joined']]);
  });
  await step('by unique name', async () => check('sid', (await alice.getChannelByUniqueName('main')).sid, channel.sid));
  await step('a channel that is not joined, by its SID', async () => {
    const made = await rest('POST', '/Channels', { FriendlyName: 'Lobby', UniqueName: 'lobby' });
    const found = await alice.getChannelBySid(made.sid);
    const status = name === 'chat3' ? 'known' : 'notParticipating';
    check('names', [found.friendlyName, found.uniqueName, found.status], ['Lobby', 'lobby', status]);
  });
  await step('an unknown channel is 404', async () => {
    check('by SID', (await refusal(alice.getChannelBySid(MISSING))).status, 404);
    check('by name', (await refusal(alice.getChannelByUniqueName('nowhere'))).status, 404);
  });
  await step('a unique name that is taken is 409', async () => {
    const { status = 409, code } = await refusal(alice.createChannel({ uniqueName: 'main' })); // older: the code only
    check('refusal', [status, code], [409, 50307]);
  });
}

async function users(alice, bob) {
  const seen = await step('getUser tells who is online', async () => {
    const user = await alice.getUser('bob');
    check('bob', [user.identity, user.isSubscribed], ['bob', true]);
    await until('bob is online', () => user.online === true);
    check('notifiable', user.notifiable, false);
    return user;
  });
  await step('userUpdated: friendlyName', async () => {
    const told = wait(alice, 'userUpdated', ({ user }) => user.identity === 'bob' && user.friendlyName === 'Bobby');
    await bob.user.updateFriendlyName('Bobby');
    check('reasons', (await told).updateReasons, ['friendlyName']);
  });
  await step('userUpdated: attributes', async () => {
    const told = wait(seen, 'updated', because('attributes'));
    await bob.user.updateAttributes({ mood: '🙂' });
    check('attributes', (await told).user.attributes, { mood: '🙂' });
  });
  await step('user descriptors', async () => {
    let found;
    await until('what was cached is old', async () => {
      found = await alice.getUserDescriptor('bob');
      return found.friendlyName === 'Bobby';
    });
    check('bob', [found.identity, found.attributes, found.online], ['bob', { mood: '🙂' }, true]);
    check('subscribed users', (await alice.getSubscribedUsers()).map((user) => user.identity).sort(), ['alice', 'bob']);
  });
  await step('user descriptors of a channel', async () => {
    const channel = await alice.getChannelByUniqueName('main');
    const { items } = await channel.getUserDescriptors();
    check('who', items.map((user) => user.identity).sort(), ['alice', 'bob']);
  });
}

async function media(bob, channel, his) {
  await step('media is sent, seen and fetched by its URL', async () => {
    const content = Buffer.from('bytes \u0000 of a file');
    const seen = wait(channel, 'messageAdded', (message) => message.type === 'media');
    await his.sendMessage({ contentType: 'text/plain', media: content }, { with: 'media' });
    const message = await seen;
    check('media', [message.media.contentType, message.media.size], ['text/plain', content.length]);
    check('attributes', message.attributes, { with: 'media' });
    const response = await fetch(await message.media.getContentTemporaryUrl());
    check('its content', Buffer.from(await response.arrayBuffer()).toString(), content.toString());
    check('its type', response.headers.get('content-type').split(';')[0], 'text/plain');
  });
}

async function invitations(alice, bob) {
  const channel = await step('a private channel', async () => {
    const made = await alice.createChannel({ friendlyName: 'Secret', isPrivate: true });
    await made.join();
    check('type', [made.type, made.isPrivate], ['private', true]);
    check('bob does not see it', (await refusal(bob.getChannelBySid(made.sid))).status, 404);
    return made;
  });
  const invite = async () => {
    const told = wait(bob, 'channelInvited', (each) => each.sid === channel.sid);
    await channel.invite('bob');
    return told;
  };
  await step('invite and decline', async () => {
    const his = await invite();
    check('what he sees', [his.status, his.friendlyName], ['invited', 'Secret']);
    const left = wait(bob, 'channelLeft', (each) => each.sid === channel.sid);
    await his.decline();
    await left;
  });
  await step('invite and accept', async () => {
    const his = await invite();
    const joined = wait(bob, 'channelJoined', (each) => each.sid === channel.sid);
    const seen = wait(channel, 'memberJoined');
    await his.join();
    await joined;
    check('at alice', (await seen).identity, 'bob');
    check('at bob', (await his.getMembers()).map((member) => member.identity).sort(), ['alice', 'bob']);
    check('he reads', (await his.getMessages()).items, []);
  });
  await step('leave of a private channel', async () => {
    const his = await bob.getChannelBySid(channel.sid);
    const seen = wait(channel, 'memberLeft');
    const removed = wait(bob, 'channelRemoved', (each) => each.sid === channel.sid);
    await his.leave();
    check('at alice', (await seen).identity, 'bob');
    await removed;
  });
}

async function push(bob) {
  await step('push registration is set and unset', async () => {
    const bindings = async () => (await rest('GET', '/Bindings')).bindings;
    await bob.setPushRegistrationId('fcm', 'a-device-token');
    await until('there is a binding', async () => (await bindings()).length === 1);
    const [binding] = await bindings();
    check('binding', [binding.identity, binding.binding_type], ['bob', 'fcm']);
    await bob.unsetPushRegistrationId('fcm');
    await until('there is none', async () => (await bindings()).length === 0);
  });
}

async function losses(alice, bob, channel, his, proxy) {
  await step('what happens while the connection is lost comes afterwards', async () => {
    const bodies = [];
    const gather = (message) => bodies.push(message.body);
    his.on('messageAdded', gather);
    const lost = wait(bob, 'connectionStateChanged', (state) => state !== 'connected');
    proxy.refusing = true;
    proxy.cut();
    await lost;
    const back = wait(bob, 'connectionStateChanged', (state) => state === 'connected');
    const renamed = wait(his, 'updated', because('friendlyName'));
    for (const number of range(1, 3)) await channel.sendMessage(`missed ${number}`);
    await channel.updateFriendlyName('While you were away');
    proxy.refusing = false;
    await back;
    await renamed;
    await channel.sendMessage('live again');
    await until('all came', () => bodies.includes('live again'));
    his.removeListener('messageAdded', gather);
    check('each once and in order', bodies, ['missed 1', 'missed 2', 'missed 3', 'live again']);
  });
}

async function tokens(bob) {
  await step('updateToken', async () => {
    const next = token('bob', { seconds: 3000 });
    await bob.updateToken(next);
    check('the token', [bob.token === next, bob.connectionState], [true, 'connected']);
    check('it still works', (await bob.getUserDescriptor('bob')).identity, 'bob');
  });
}

async function endings(alice, bob, channel, his) {
  await step('removeMember', async () => {
    const seen = wait(channel, 'memberLeft');
    const left = wait(bob, 'channelLeft', (each) => each.sid === channel.sid);
    await channel.removeMember('bob');
    check('who left', (await seen).identity, 'bob');
    await left;
  });
  await step('leave', async () => {
    const joined = wait(bob, 'channelJoined', (each) => each.sid === channel.sid);
    await his.join();
    await joined;
    check('he is back', (await his.getMembers()).some((member) => member.identity === 'bob'), true);
    check('he reads', (await his.getMessages(1)).items.length, 1);
    const seen = wait(channel, 'memberLeft');
    const left = wait(bob, 'channelLeft', (each) => each.sid === channel.sid);
    await his.leave();
    check('who left', (await seen).identity, 'bob');
    await left;
  });
  await step('delete', async () => {
    const removed = wait(alice, 'channelRemoved', (each) => each.sid === channel.sid);
    await channel.delete();
    await removed;
    check('nothing is left', (await refusal(bob.getChannelByUniqueName('main'))).status, 404);
  });
  await step('shutdown', async () => {
    await bob.shutdown();
    await until('bob is disconnected', () => bob.connectionState === 'disconnected');
  });
}
