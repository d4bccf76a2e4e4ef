// Clients on two nodes of one database see of each other what they would see on one, also while NATS is away.
//
// `node flow-nodes.js PORT`: there is the node whose address is in HUBBUB, and REST is asked of it; here is the other
// one, on this port.
'use strict';

const { setTimeout: sleep } = require('node:timers/promises');
const sdk = require('twilio-chat');
const {
  address, ask, because, check, connect, range, refusal, rest, scenario, step, until, wait,
} = require('./scenario');

const here = { uri: address(process.argv[2]) };
const there = { uri: address() };
const EACH = 200;
const ROUNDS = 10;
const AT_ONCE = 10_000; // for all rounds: by looks at the tables, every two seconds, they would take twice as long
const GRACE = 5_000; // a page that is loaded again comes back within this
const OUTAGE = 10_000;
const BETWEEN = 20; // two messages of a sender

scenario(async () => {
  const [alice, bob] = await step('alice connects here, bob there', () =>
    Promise.all([connect(sdk, 'alice', here), connect(sdk, 'bob', there)]));
  const present = reachability(alice); // ends later
  const [hers, his] = await meet(alice, bob);
  await comeAndGo(hers, his);
  await typing(hers, his);
  await messages(hers, his);
  await horizon(hers, his);
  await edits(alice, bob, hers, his);
  await backEnd(alice, hers);
  await deletion(alice, bob);
  await present;
  await outage(alice, bob);
});

function isOf(channel) {
  return ({ sid }) => sid === channel.sid;
}

function isFrom(identity) {
  return (member) => member.identity === identity;
}

// Both members' views of a new channel, with all that is subscribed to.
async function share(alice, bob, friendlyName) {
  const hers = await alice.createChannel({ friendlyName });
  await hers.join();
  const joined = wait(bob, 'channelJoined', isOf(hers));
  await hers.add('bob');
  return open(hers, await joined);
}

async function open(...channels) {
  for (const channel of channels) {
    await channel.getMembers();
    await channel.getMessages();
  }
  return channels;
}

// The indexes of the messages as they come.
function gather(channel) {
  const seen = [];
  channel.on('messageAdded', (message) => seen.push(message.index));
  return seen;
}

// Each answers the other as soon as he hears of him.
async function talk(one, other) {
  const begun = Date.now();
  for (const number of range(1, ROUNDS)) {
    for (const [speaker, listener] of [[one, other], [other, one]]) {
      const body = `round ${number} of ${begun} by ${speaker === one ? 'one' : 'the other'}`;
      const heard = wait(listener, 'messageAdded', (message) => message.body === body);
      await speaker.sendMessage(body);
      await heard;
    }
  }
  check('told and not found in the tables', Date.now() - begun < AT_ONCE, true);
}

async function meet(alice, bob) {
  return step('whoever is added here has the channel there', async () => {
    const [hers, his] = await share(alice, bob, 'Ours');
    const members = await his.getMembers();
    check('who is in it', members.map(({ identity }) => identity).sort(), ['alice', 'bob']);
    check('its name', his.friendlyName, hers.friendlyName);
    return [hers, his];
  });
}

async function comeAndGo(hers, his) {
  const carol = await step('who joins there is seen here', async () => {
    const client = await connect(sdk, 'carol', there);
    const told = [hers, his].map((each) => wait(each, 'memberJoined', isFrom('carol')));
    const joined = wait(client, 'channelJoined', isOf(hers));
    await (await client.getChannelBySid(hers.sid)).join();
    await Promise.all(told);
    await open(await joined); // the SDK does not bear to leave before
    check('the members here', await hers.getMembersCount(), 3);
    return client;
  });
  await step('who leaves there is seen here', async () => {
    const told = [hers, his].map((each) => wait(each, 'memberLeft', isFrom('carol')));
    const left = wait(carol, 'channelLeft', isOf(hers));
    await (await carol.getChannelBySid(hers.sid)).leave();
    await Promise.all([...told, left]);
    check('the members here', (await hers.getMembers()).map(({ identity }) => identity).sort(), ['alice', 'bob']);
  });
  await step('who is removed here is told there, and hears no more', async () => {
    const joined = wait(carol, 'channelJoined', isOf(hers));
    await hers.add('carol');
    const [channel] = await open(await joined);
    const seen = gather(channel);
    const left = wait(carol, 'channelLeft', isOf(hers));
    await hers.removeMember('carol');
    await left;
    const came = wait(his, 'messageAdded');
    await hers.sendMessage('not for carol');
    await came;
    await carol.getUserDescriptor('carol'); // whatever was on its way to her has come before the answer
    check('what carol saw', seen, []);
  });
}

async function typing(hers, his) {
  for (const [where, typist, watcher, identity] of [['there', his, hers, 'bob'], ['here', hers, his, 'alice']]) {
    await step(`who types ${where} is seen on the other node, and that it ends`, async () => {
      const begun = wait(watcher, 'typingStarted');
      const ended = wait(watcher, 'typingEnded');
      await typist.typing();
      check('who types', (await begun).identity, identity);
      check('who ended', (await ended).identity, identity);
    });
  }
}

async function messages(hers, his) {
  await step(`${EACH} messages from both sides at once: each sees every index once and in order`, async () => {
    const first = (await hers.getMessages(1)).items[0].index + 1;
    const seen = [hers, his].map(gather);
    await Promise.all([hers, his].map(async (channel) => {
      for (const number of range(1, EACH)) await channel.sendMessage(`number ${number}`);
    }));
    const last = first + 2 * EACH - 1;
    for (const indexes of seen) await until('all came', () => indexes.includes(last));
    check('what alice saw here', seen[0], range(first, last));
    check('what bob saw there', seen[1], range(first, last));
  });
  await step('word and answer go at once', () => talk(hers, his));
}

async function horizon(hers, his) {
  await step('what is read there is seen here, and is read on the other device', async () => {
    const last = (await his.getMessages(1)).items[0].index;
    const device = await connect(sdk, 'bob', here);
    const [own] = await open(await device.getChannelBySid(his.sid));
    const seen = wait(hers, 'memberUpdated', because('lastConsumedMessageIndex'));
    const read = wait(own, 'updated', because('lastConsumedMessageIndex'));
    check('what is unread', await his.advanceLastConsumedMessageIndex(last - 7), 7);
    const { member } = await seen;
    check('at alice', [member.identity, member.lastConsumedMessageIndex], ['bob', last - 7]);
    await read;
    check('on his other device', own.lastConsumedMessageIndex, last - 7);
    check('unread there', await own.getUnconsumedMessagesCount(), 7);
    await device.shutdown();
  });
}

async function edits(alice, bob, hers, his) {
  await step('a user who is edited there is seen here', async () => {
    const user = await alice.getUser('bob');
    const told = wait(user, 'updated', () => user.friendlyName === 'Bobby' && user.attributes.mood === '🙂');
    await bob.user.updateFriendlyName('Bobby');
    await bob.user.updateAttributes({ mood: '🙂' });
    await told;
  });
  await step('a message that is edited and removed there is seen here', async () => {
    const both = [hers, his].map((each) => wait(each, 'messageAdded'));
    await his.sendMessage('as it was');
    const [, own] = await Promise.all(both);
    const edited = wait(hers, 'messageUpdated', because('body'));
    await own.updateBody('as it is');
    const { message } = await edited;
    check('here', [message.body, message.index], ['as it is', own.index]);
    const removed = wait(hers, 'messageRemoved');
    await own.remove();
    check('which', (await removed).index, own.index);
  });
  await step('a channel that is edited here is seen there', async () => {
    const told = wait(his, 'updated', because('friendlyName'));
    await hers.updateFriendlyName('Still ours');
    check('its name there', (await told).channel.friendlyName, 'Still ours');
  });
}

async function backEnd(alice, hers) {
  await step('what the back end does there reaches a client here', async () => {
    const path = `/Channels/${hers.sid}`;
    const came = wait(hers, 'messageAdded');
    const joined = wait(hers, 'memberJoined', isFrom('frank'));
    const changed = wait(hers, 'updated', because('attributes'));
    const added = wait(alice, 'channelJoined', ({ friendlyName }) => friendlyName === 'By REST');
    await rest('POST', `${path}/Messages`, { Body: 'from REST', From: 'system' });
    await rest('POST', `${path}/Members`, { Identity: 'frank' });
    await rest('POST', path, { Attributes: '{"by":"REST"}' });
    const made = await rest('POST', '/Channels', { FriendlyName: 'By REST' });
    await rest('POST', `/Channels/${made.sid}/Members`, { Identity: 'alice' });
    const message = await came;
    check('the message', [message.body, message.author], ['from REST', 'system']);
    await joined;
    check('attributes', (await changed).channel.attributes, { by: 'REST' });
    check('her new channel', (await added).sid, made.sid);
  });
}

async function deletion(alice, bob) {
  await step('a channel that is deleted here is gone there', async () => {
    const [hers] = await share(alice, bob, 'Gone soon');
    const told = [alice, bob].map((each) => wait(each, 'channelRemoved', isOf(hers)));
    await hers.delete();
    await Promise.all(told);
    check('nothing is left there', (await refusal(bob.getChannelBySid(hers.sid))).status, 404);
  });
}

async function reachability(alice) {
  const one = await connect(sdk, 'dave', there);
  const dave = await step('who connects there is online here', async () => {
    const user = await alice.getUser('dave');
    await until('online', () => user.online === true);
    return user;
  });
  await step('who has another device here stays online when the one there goes', async () => {
    const other = await connect(sdk, 'dave', here);
    const told = [];
    dave.on('updated', ({ updateReasons }) => told.push(...updateReasons));
    await one.shutdown();
    await sleep(GRACE + 1_000);
    check('what alice was told', [dave.online, told], [true, []]);
    await other.shutdown();
  });
  await step('who has left both nodes is offline after a while', () => until('offline', () => dave.online === false));
  await step('and online again with the first device', async () => {
    const back = wait(dave, 'updated', () => dave.online === true);
    await connect(sdk, 'dave', there);
    await back;
  });
}

async function outage(alice, bob) {
  const [hers, his] = await step('they share a channel and one more', () => share(alice, bob, 'Under load'));
  const [doomed] = await share(alice, bob, 'Deleted meanwhile');
  const [devices, erin] = await step('each has a second device on the other node', async () => {
    const others = await Promise.all([connect(sdk, 'alice', there), connect(sdk, 'bob', here)]);
    const opened = await open(...await Promise.all(others.map((each) => each.getChannelBySid(hers.sid))));
    return [opened, await connect(sdk, 'erin', there)];
  });
  const everyone = [hers, his, ...devices];
  const seen = everyone.map(gather);
  const joined = everyone.map(() => []);
  everyone.forEach((channel, at) => channel.on('memberJoined', ({ identity }) => joined[at].push(identity)));

  let loaded = true;
  const sendOn = async (channel, who) => {
    let sent = 0;
    for (; loaded; sent += 1) {
      await channel.sendMessage(`${who} ${sent}`);
      await sleep(BETWEEN);
    }
    return sent;
  };
  const load = Promise.all([sendOn(hers, 'alice'), sendOn(his, 'bob')]);

  await step('while NATS is dead, all that happens is seen on the other node', async () => {
    await sleep(1_000);
    await ask('kill NATS');
    const dead = sleep(OUTAGE);
    const told = [
      wait(hers, 'messageAdded', ({ body }) => body === 'bob, without NATS'),
      wait(hers, 'messageAdded', ({ body }) => body === 'REST, without NATS'),
      wait(his, 'messageAdded', ({ body }) => body === 'alice, without NATS'),
      wait(alice, 'userUpdated', ({ user }) => user.friendlyName === 'Bob the third'),
      wait(bob, 'channelRemoved', isOf(doomed)),
    ];
    const read = wait(hers, 'memberUpdated', because('lastConsumedMessageIndex'));
    await Promise.all([hers.sendMessage('alice, without NATS'), his.sendMessage('bob, without NATS')]);
    await rest('POST', `/Channels/${hers.sid}/Messages`, { Body: 'REST, without NATS' });
    await his.advanceLastConsumedMessageIndex(3);
    await bob.user.updateFriendlyName('Bob the third');
    await doomed.delete();
    await (await erin.getChannelBySid(hers.sid)).join();
    await Promise.all(told);
    check('the horizon', (await read).member.lastConsumedMessageIndex, 3);
    for (const identities of joined) await until('erin joined', () => identities.length > 0);
    await dead;
  });
  await step('after that, word and answer go at once again', async () => {
    await ask('start NATS');
    await sleep(2_000); // the nodes try to connect every second
    await talk(...devices);
  });
  await step('nobody has missed anything or seen it twice', async () => {
    loaded = false;
    const total = (await load).reduce((sum, sent) => sum + sent, 3 + 2 * ROUNDS);
    for (const indexes of seen) await until(`all ${total} came`, () => indexes.length >= total);
    await talk(hers, his); // whatever is on its way twice has come by then
    const last = total + 2 * ROUNDS - 1;
    for (const indexes of seen) await until('the last word came', () => indexes.includes(last));
    seen.forEach((indexes, at) => check(`what client ${at} saw`, indexes, range(0, last)));
    check('who joined', joined, everyone.map(() => ['erin']));
    console.log(`${total} messages under load`);
  });
}
