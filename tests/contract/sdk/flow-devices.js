// One user on two devices: what is done on one is seen on the other.
'use strict';

const sdk = require('twilio-chat');
const { because, check, connect, scenario, step, until, wait } = require('./scenario');

scenario(async () => {
  const [phone, laptop, bob] = await step('both devices connect', () =>
    Promise.all([connect(sdk, 'alice'), connect(sdk, 'alice'), connect(sdk, 'bob')]));
  const channel = await step('a channel that is joined on one is joined on the other', async () => {
    const joined = wait(laptop, 'channelJoined');
    const made = await phone.createChannel({ friendlyName: 'Ours' });
    await made.join();
    check('which', (await joined).sid, made.sid);
    return made;
  });
  const other = await laptop.getChannelBySid(channel.sid);
  for (const each of [channel, other]) await each.getMessages(); // it is open then
  await step('a message that is sent on one comes to both', async () => {
    const both = [channel, other].map((each) => wait(each, 'messageAdded'));
    await channel.sendMessage('from my phone');
    check('bodies', (await Promise.all(both)).map((message) => message.body), ['from my phone', 'from my phone']);
  });
  await step('what is read on one is read on the other', async () => {
    const read = wait(other, 'updated', because('lastConsumedMessageIndex'));
    await channel.setAllMessagesConsumed();
    await read;
    check('horizon', other.lastConsumedMessageIndex, 0);
    await until('nothing is unread', async () => (await other.getUnconsumedMessagesCount()) === 0);
  });
  await step('a typing user is not told of himself, the other member is', async () => {
    const joined = wait(bob, 'channelJoined');
    await channel.add('bob');
    const his = await joined;
    await his.getMembers();
    const subscribed = wait(his, 'messageAdded');
    await channel.sendMessage('are you there?');
    await subscribed;
    let told = 0;
    other.on('typingStarted', () => { told += 1; });
    const begun = wait(his, 'typingStarted');
    await channel.typing();
    check('who types', (await begun).identity, 'alice');
    const after = wait(other, 'messageAdded');
    await his.sendMessage('I see you type');
    await after;
    check('the other device', told, 0);
  });
  await step('she is online until the last device has gone', async () => {
    const seen = await bob.getUser('alice');
    await until('online', () => seen.online === true);
    await phone.shutdown();
    const after = wait(other, 'messageAdded');
    await (await bob.getChannelBySid(channel.sid)).sendMessage('still there?');
    await after;
    check('with one device', seen.online, true);
    await laptop.shutdown();
    await until('offline', () => seen.online === false);
  });
});
