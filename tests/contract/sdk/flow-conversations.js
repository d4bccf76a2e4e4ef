// All that an app does with @twilio/conversations 3.
'use strict';

const sdk = require('conv3');
const {
  Proxy, address, because, check, connect, range, refusal, rest, scenario, step, token, until, wait,
} = require('./scenario');

const TEXT = 'Grüße, 世界 🎉';

scenario(async () => {
  const proxy = await new Proxy().open();
  const alice = await step('alice connects', () => connect(sdk, 'alice'));
  const bob = await step('bob connects', () => connect(sdk, 'bob', { uri: address(proxy.port) }));
  await step('nobody has conversations yet', async () => {
    check('conversations', (await alice.getSubscribedConversations()).items, []);
  });
  const ours = await joinAndAdd(alice, bob);
  const his = await bob.getConversationBySid(ours.sid);
  await messages(alice, bob, ours, his);
  await reading(ours, his);
  await edits(alice, bob, ours, his);
  await users(alice, bob);
  await media(ours, his);
  await push(bob);
  await losses(bob, ours, his, proxy);
  await endings(alice, bob, ours, his);
});

async function joinAndAdd(alice, bob) {
  const ours = await step('createConversation', async () => {
    const options = { friendlyName: 'General', uniqueName: 'general', attributes: { a: 1 } };
    const made = await alice.createConversation(options);
    check('names', [made.friendlyName, made.uniqueName, made.createdBy], ['General', 'general', 'alice']);
    check('attributes', made.attributes, { a: 1 });
    return made;
  });
  await step('join', async () => {
    const joined = wait(alice, 'conversationJoined', (each) => each.sid === ours.sid);
    await ours.join();
    await joined;
    check('participants', (await ours.getParticipants()).map((each) => each.identity), ['alice']);
  });
  await step('add', async () => {
    const seen = wait(ours, 'participantJoined', (each) => each.identity === 'bob');
    const isOurs = (each) => each.sid === ours.sid;
    const told = ['conversationAdded', 'conversationJoined'].map((event) => wait(bob, event, isOurs));
    const response = await ours.add('bob', { seat: 4 });
    check('the answer', [response.identity, JSON.parse(response.attributes)], ['bob', { seat: 4 }]);
    check('attributes', (await seen).attributes, { seat: 4 });
    await Promise.all(told);
    check('how many', await ours.getParticipantsCount(), 2);
  });
  await step('what is subscribed, peeked at and found by name', async () => {
    check('sids', (await bob.getSubscribedConversations()).items.map((each) => each.sid), [ours.sid]);
    check('peeked', (await bob.peekConversationBySid(ours.sid)).sid, ours.sid);
    check('by name', (await bob.getConversationByUniqueName('general')).sid, ours.sid);
    check('unknown', (await refusal(bob.getConversationByUniqueName('nowhere'))).status, 404);
  });
  return ours;
}

async function messages(alice, bob, ours, his) {
  await step('sendMessage', async () => {
    const both = [ours, his].map((each) => wait(each, 'messageAdded'));
    check('index', await his.sendMessage(TEXT, { k: 1 }), 0);
    for (const message of await Promise.all(both)) {
      check('what came', [message.body, message.author, message.index, message.type], [TEXT, 'bob', 0, 'text']);
      check('attributes', [message.attributes, message.attachedMedia ?? []], [{ k: 1 }, []]);
      check('its participant', (await message.getParticipant()).identity, 'bob');
    }
  });
  await step('a prepared message', async () => {
    const seen = wait(ours, 'messageAdded');
    await his.prepareMessage().setBody('prepared').setAttributes({ p: 2 }).build().send();
    check('what came', [(await seen).body, (await seen).attributes], ['prepared', { p: 2 }]);
  });
  await step('typing', async () => {
    const begun = wait(ours, 'typingStarted');
    const ended = wait(ours, 'typingEnded');
    await his.typing();
    check('who', [(await begun).identity, (await ended).identity], ['bob', 'bob']);
  });
}

async function reading(ours, his) {
  await step('read horizon and unread count', async () => {
    check('unread before any horizon', await his.getUnreadMessagesCount(), null);
    const seen = wait(ours, 'participantUpdated', because('lastReadMessageIndex'));
    check('unread', await his.advanceLastReadMessageIndex(0), 1);
    const { participant } = await seen;
    check('horizon', [participant.identity, participant.lastReadMessageIndex], ['bob', 0]);
    check('all read', await his.setAllMessagesRead(), 0);
    await his.setAllMessagesUnread();
    await until('no horizon', () => his.lastReadMessageIndex === null);
  });
  await step('getMessages', async () => {
    const page = await ours.getMessages(30);
    check('indexes', page.items.map((message) => message.index), [0, 1]);
    check('how many', await ours.getMessagesCount(), 2);
  });
}

async function edits(alice, bob, ours, his) {
  const updated = (reason) => wait(his, 'updated', because(reason));
  await step('a message is edited', async () => {
    const [message] = (await his.getMessages(2)).items;
    const seen = wait(ours, 'messageUpdated', because('body'));
    await message.updateBody('edited');
    check('body', (await seen).message.body, 'edited');
    await message.updateAttributes({ star: true });
    await until('attributes', async () => message.attributes.star === true);
  });
  await step('the conversation is edited', async () => {
    const [named, unique, attributes] = ['friendlyName', 'uniqueName', 'attributes'].map(updated);
    await ours.updateFriendlyName('Renamed');
    await ours.updateUniqueName('main');
    await ours.updateAttributes({ b: [2] });
    await Promise.all([named, unique, attributes]);
    check('at bob', [his.friendlyName, his.uniqueName, his.attributes], ['Renamed', 'main', { b: [2] }]);
  });
  await step('notification level', async () => {
    const seen = updated('notificationLevel');
    await his.setUserNotificationLevel('muted');
    check('level', (await seen).conversation.notificationLevel, 'muted');
  });
  await step('a participant is edited', async () => {
    const seen = wait(his, 'participantUpdated', because('attributes'));
    await (await ours.getParticipantByIdentity('bob')).updateAttributes({ seat: 5 });
    check('attributes', (await seen).participant.attributes, { seat: 5 });
  });
}

async function users(alice, bob) {
  await step('users', async () => {
    const seen = await alice.getUser('bob');
    await until('bob is online', () => seen.isOnline === true);
    const told = wait(alice, 'userUpdated', ({ user }) => user.friendlyName === 'Bobby');
    await bob.user.updateFriendlyName('Bobby');
    await told;
    const attributed = wait(seen, 'updated', because('attributes'));
    await bob.user.updateAttributes({ mood: 'fine' });
    check('attributes', (await attributed).user.attributes, { mood: 'fine' });
  });
}

async function media(ours, his) {
  await step('several media in one message', async () => {
    const content = (text) => ({ contentType: 'text/plain', filename: `${text}.txt`, media: Buffer.from(text) });
    const seen = wait(ours, 'messageAdded', (message) => message.type === 'media');
    await his.prepareMessage().addMedia(content('one')).build().send();
    const [file] = (await seen).attachedMedia;
    check('file', [file.contentType, file.filename, file.size], ['text/plain', 'one.txt', 3]);
    const urls = await (await seen).getTemporaryContentUrlsForAttachedMedia();
    const response = await fetch(urls.get(file.sid));
    check('content', await response.text(), 'one');
    check('one URL', typeof await file.getContentTemporaryUrl(), 'string');
  });
}

async function push(bob) {
  await step('push registration is set, unset and removed', async () => {
    const bindings = async () => (await rest('GET', '/Bindings')).bindings;
    await bob.setPushRegistrationId('fcm', 'a-device-token');
    await until('there is a binding', async () => (await bindings()).length === 1);
    await bob.unsetPushRegistrationId('fcm');
    await until('there is none', async () => (await bindings()).length === 0);
    await bob.setPushRegistrationId('apn', 'another-token');
    await until('there is a binding again', async () => (await bindings()).length === 1);
    await bob.removePushRegistrations('apn', 'another-token');
    await until('it is removed', async () => (await bindings()).length === 0);
  });
}

async function losses(bob, ours, his, proxy) {
  await step('what happens while the connection is lost comes afterwards', async () => {
    const bodies = [];
    his.on('messageAdded', (message) => bodies.push(message.body));
    const lost = wait(bob, 'connectionStateChanged', (state) => state !== 'connected');
    proxy.refusing = true;
    proxy.cut();
    await lost;
    for (const number of range(1, 3)) await ours.sendMessage(`missed ${number}`);
    proxy.refusing = false;
    await until('all came', () => bodies.includes('missed 3'));
    check('each once and in order', bodies, ['missed 1', 'missed 2', 'missed 3']);
  });
  await step('updateToken', async () => {
    await bob.updateToken(token('bob', { seconds: 3000 }));
    check('state', bob.connectionState, 'connected');
  });
}

async function endings(alice, bob, ours, his) {
  await step('a message is removed', async () => {
    const seen = wait(ours, 'messageRemoved');
    await (await his.getMessages(1)).items[0].remove().catch(() => undefined); // alice's: not his to remove
    const [own] = (await his.getMessages(10)).items.filter((message) => message.author === 'bob');
    await own.remove();
    check('which', (await seen).index, own.index);
  });
  await step('leave', async () => {
    const seen = wait(ours, 'participantLeft');
    const left = wait(bob, 'conversationLeft', (each) => each.sid === ours.sid);
    await his.leave();
    check('who', (await seen).identity, 'bob');
    await left;
  });
  await step('delete', async () => {
    const removed = wait(alice, 'conversationRemoved', (each) => each.sid === ours.sid);
    await ours.delete();
    await removed;
  });
}
