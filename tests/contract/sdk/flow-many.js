// A user who is in 200 channels starts up, and hears of each of them.
'use strict';

const sdk = require('twilio-chat');
const { check, connect, range, rest, scenario, step, until } = require('./scenario');

const CHANNELS = 200;

scenario(async () => {
  const made = await step(`${CHANNELS} channels are made`, async () => {
    const sids = [];
    for (const first of range(0, CHANNELS / 20 - 1)) {
      sids.push(...await Promise.all(range(1, 20).map(async (number) => {
        const { sid } = await rest('POST', '/Channels', { FriendlyName: `number ${first * 20 + number}` });
        await rest('POST', `/Channels/${sid}/Members`, { Identity: 'alice' });
        return sid;
      })));
    }
    return sids.sort();
  });
  const alice = await step('alice connects', () => connect(sdk, 'alice'));
  await step('she has all of them, page by page', async () => {
    const sids = [];
    let page = await alice.getSubscribedChannels();
    for (;;) {
      sids.push(...page.items.map((channel) => channel.sid));
      if (!page.hasNextPage) break;
      page = await page.nextPage();
    }
    check('sids', sids.sort(), made);
    check('locally', (await alice.getLocalChannels()).map((channel) => channel.sid).sort(), made);
  });
  await step('a message in each of them comes', async () => {
    const came = new Set();
    alice.on('messageAdded', (message) => came.add(`${message.channel.sid} ${message.body}`));
    const first = await Promise.all((await alice.getLocalChannels()).map((channel) => channel.getMembers()));
    check('members', new Set(first.map((members) => members.length)), new Set([1]));
    for (const sid of made) await rest('POST', `/Channels/${sid}/Messages`, { Body: 'hello' });
    await until('each came', () => came.size === CHANNELS);
    check('which', [...came].sort(), made.map((sid) => `${sid} hello`));
  });
});
