// The server is stopped as an administrator does it, and killed as power does it; its clients come back.
'use strict';

const sdk = require('twilio-chat');
const { ask, check, connect, scenario, step, until, wait } = require('./scenario');

scenario(async () => {
  const [alice, bob] = await step('clients connect', () => Promise.all([connect(sdk, 'alice'), connect(sdk, 'bob')]));
  const channel = await step('they share a channel', async () => {
    const joined = wait(bob, 'channelJoined');
    const made = await alice.createChannel({ friendlyName: 'Ours' });
    await made.join();
    await made.add('bob');
    await joined;
    return made;
  });
  const his = await bob.getChannelBySid(channel.sid);
  await his.getMembers();
  for (const how of ['restart', 'kill']) {
    await step(`after a ${how} everybody is back, and messages come`, async () => {
      const isLost = (state) => state === 'connecting';
      const away = [alice, bob].map((client) => wait(client, 'connectionStateChanged', isLost));
      await ask(how);
      await Promise.all(away);
      for (const client of [alice, bob]) await until('connected', () => client.connectionState === 'connected');
      const came = wait(his, 'messageAdded', (message) => message.body === `after the ${how}`);
      await channel.sendMessage(`after the ${how}`);
      check('author', (await came).author, 'alice');
    });
  }
});
