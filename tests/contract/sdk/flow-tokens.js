// Who is let in, and how a token ends: `node flow-tokens.js twilio-chat|chat5|chat4|chat3`.
'use strict';

const name = process.argv[2];
const sdk = require(name);
const {
  address, authorization, check, connect, scenario, server, step, token, tolerate, until, wait,
} = require('./scenario');

if (name !== 'twilio-chat') tolerate(/Client\/v1\/Configuration|Unable to connect/); // for those who are not let in

scenario(() => Promise.all([warned(), expired(), refused(), revoked()]));

async function warned() {
  await step('tokenAboutToExpire comes in time, and a new token keeps the client', async () => {
    const client = await connect(sdk, 'warned', { access: token('warned', { seconds: 6 }) });
    await wait(client, 'tokenAboutToExpire');
    await client.updateToken(token('warned'));
    check('state', client.connectionState, 'connected');
  });
}

async function expired() {
  await step('tokenExpired, and a new token brings the client back', async () => {
    const client = await connect(sdk, 'expired', { access: token('expired', { seconds: 4 }) });
    const made = await client.createChannel({ friendlyName: 'Still here' });
    const denied = wait(client, 'connectionStateChanged', (state) => state === 'denied');
    await wait(client, 'tokenExpired');
    await denied;
    const back = wait(client, 'connectionStateChanged', (state) => state === 'connected');
    await client.updateToken(token('expired'));
    await back;
    await made.join();
    await until('it works', () => made.status === 'joined');
  });
}

async function refused() {
  const refusals = [
    ['an expired token', token('late', { seconds: -10 }), 20104],
    ['a bad signature', token('forger', { secret: 'wrong' }), 20107],
    ['no token at all', 'nonsense', 20101],
  ];
  await Promise.all(refusals.map(([what, access, code]) => step(`${what} is refused`, async () => {
    const client = new sdk.Client(access, { Twilsock: { uri: address() } });
    if (name !== 'chat5') { // which tells its app of neither before it is let in
      const told = code === 20104 ? wait(client, 'tokenExpired') : undefined;
      const error = await wait(client, 'connectionError', ({ terminal }) => terminal);
      check('error', [error.httpStatusCode, error.errorCode], [401, code]);
      await told;
    }
    await until('it is denied', () => client.connectionState === 'denied');
  })));
}

async function revoked() {
  await step('a client of a service that is deleted is dropped and refused', async () => {
    const headers = { Authorization: authorization };
    const body = new URLSearchParams({ FriendlyName: 'short-lived' });
    const made = await (await fetch(`${server.url}/v2/Services`, { method: 'POST', headers, body })).json();
    const client = await connect(sdk, 'orphan', { access: token('orphan', { service: made.sid }) });
    const denied = wait(client, 'connectionStateChanged', (state) => state === 'denied');
    await fetch(`${server.url}/v2/Services/${made.sid}`, { method: 'DELETE', headers });
    await denied;
  });
}
