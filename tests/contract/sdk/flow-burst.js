// Five clients send 500 messages at once. Each sees every index once and in order, also one whose connection is cut
// again and again meanwhile; a sixth that stops reading is dropped, and nobody else notices.
'use strict';

const net = require('node:net');
const crypto = require('node:crypto');
const sdk = require('twilio-chat');
const { Proxy, address, check, connect, range, rest, scenario, server, step, token, until } = require('./scenario');

const NAMES = ['alice', 'bob', 'carol', 'dave', 'erin'];
const EACH = 100;
const TOTAL = NAMES.length * EACH;

scenario(async () => {
  await burst();
  await cutBurst();
  await slow();
});

async function gathering(name, uri, size = NAMES.length) {
  const { sid } = await rest('POST', '/Channels', { FriendlyName: name });
  const clients = [];
  for (const identity of NAMES.slice(0, size)) {
    await rest('POST', `/Channels/${sid}/Members`, { Identity: `${name}-${identity}` });
    clients.push(await connect(sdk, `${name}-${identity}`, { uri: identity === 'erin' ? uri : undefined }));
  }
  return Promise.all(clients.map(async (client) => {
    const channel = await client.getChannelBySid(sid);
    await channel.getMembers();
    const seen = [];
    channel.on('messageAdded', (message) => seen.push(message.index));
    return { client, channel, seen };
  }));
}

async function sendAll(members, most = members.length) {
  await Promise.all(members.slice(0, most).map(async ({ channel }, sender) => {
    for (const number of range(1, TOTAL / most)) await channel.sendMessage(`${sender}: ${number}`);
  }));
}

async function everyoneSaw(members, total) {
  for (const { seen } of members) await until(`all ${total} came`, () => seen.length >= total);
  members.forEach(({ client, seen }) => check(`what ${client.user.identity} saw`, seen, range(0, total - 1)));
}

async function burst() {
  const members = await step('five clients join', () => gathering('burst'));
  await step('each client sees every index once and in order', async () => {
    await sendAll(members);
    await everyoneSaw(members, TOTAL);
  });
}

async function cutBurst() {
  const proxy = await new Proxy().open();
  const join = () => gathering('cut', address(proxy.port));
  const members = await step('five more join, one of them through a bad line', join);
  await step('a connection that is cut in the middle of a burst is resumed without loss or repeat', async () => {
    const victim = members[4];
    let cuts = 0;
    const cutSoon = (message) => {
      if (message.index % 40 === 20 && cuts < 4) {
        cuts += 1;
        proxy.cut();
      }
    };
    victim.channel.on('messageAdded', cutSoon);
    await sendAll(members, 4);
    await everyoneSaw(members, TOTAL);
    check('it was cut', cuts > 0, true);
  });
}

async function slow() {
  const members = await step('two more join, and one that does not read', () => gathering('slow', undefined, 2));
  await step('a client that stops reading is dropped, and nobody else notices', async () => {
    const { sid } = members[0].channel;
    await rest('POST', `/Channels/${sid}/Members`, { Identity: 'sleeper' });
    const sleeper = await deafClient('sleeper', sid);
    const asleep = Date.now();
    const ended = new Promise((resolve) => sleeper.on('close', resolve));
    const Body = 'x'.repeat(30_000); // more in all than the kernel's buffers and the server's bound
    for (const _ of range(1, 25)) {
      await Promise.all(range(1, 10).map(() => rest('POST', `/Channels/${sid}/Messages`, { Body })));
    }
    await everyoneSaw(members, 250);
    members.forEach(({ client }) => check('still connected', client.connectionState, 'connected'));
    sleeper.resume();
    await ended;
    check('not for its silence', Date.now() - asleep < 60_000, true);
  });
}

// A WebSocket by hand that subscribes to the channel's messages and then reads nothing any more.
async function deafClient(identity, sid) {
  const socket = net.connect(server.port, '127.0.0.1');
  const heard = () => new Promise((resolve) => socket.once('data', resolve));
  socket.on('error', () => {});
  const request = ['GET /v3/wsconnect HTTP/1.1', 'Host: x', 'Upgrade: websocket', 'Connection: Upgrade',
    'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${crypto.randomBytes(16).toString('base64')}`, '', ''];
  socket.write(request.join('\r\n'));
  check('upgraded', String(await heard()).startsWith('HTTP/1.1 101'), true);
  socket.write(frame(packet({ id: 'TM1', method: 'init', token: token(identity) })));
  check('let in', String(await heard()).includes('"code":200'), true);
  const list = `ES${sid.slice(2)}`;
  const body = { event_protocol_version: 4, action: 'establish', correlation_id: 1,
    requests: [{ object_sid: list, object_type: 'list', last_event_id: 1_000_000 }] };
  const http = { host: 'cds.us1.twilio.com', path: '/v4/Subscriptions', method: 'POST', params: {}, headers: {} };
  socket.write(frame(packet({ id: 'TM2', method: 'message', http_request: http }, JSON.stringify(body))));
  let answer = '';
  while (!answer.includes('subscription_established')) answer += await heard();
  socket.pause();
  return socket;
}

function packet(header, payload = '') {
  const head = JSON.stringify({ ...header, payload_size: payload.length });
  return Buffer.from(`TWILSOCK V3.0 ${head.length}\r\n${head}\r\n${payload}`);
}

function frame(payload) {
  const mask = [0, 0, 0, 0];
  const head = Buffer.from([0x82, 0x80 | 126, payload.length >> 8, payload.length & 255, ...mask]);
  return Buffer.concat([head, payload]);
}
