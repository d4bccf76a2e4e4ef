// What an app makes of pushes, which pytest hands over in PUSHES as the push services hand them to an app:
// `node flow-push.js twilio-chat|chat5|chat4|chat3|conv3`.
'use strict';

const sdk = require(process.argv[2]);
const { check, connect, refusal, scenario, step, until, wait } = require('./scenario');

const FIELDS = ['type', 'body', 'title', 'sound', 'badge', 'action', 'data'];

scenario(async () => {
  const bob = await step('bob connects', () => connect(sdk, 'bob'));
  const pushes = JSON.parse(process.env.PUSHES);
  for (const push of pushes) await (push.understood ? understood(bob, push) : refused(bob, push));
  await leads(bob, pushes);
});

async function understood(bob, { name, payload, understood: expected }) {
  await step(name, async () => {
    check('parsed by the class', fields(sdk.Client.parsePushNotification(payload)), expected);
    const seen = wait(bob, 'pushNotification');
    await bob.handlePushNotification(payload);
    check('the event', fields(await seen), expected);
  });
}

// What the SDK cannot read it says to the app that gave it, and nothing else happens.
async function refused(bob, { name, payload }) {
  await step(`${name} is refused`, async () => {
    let events = 0;
    const count = () => { events += 1; };
    bob.on('pushNotification', count);
    await refusal(bob.handlePushNotification(payload));
    bob.removeListener('pushNotification', count);
    check('events', events, 0);
  });
}

async function leads(bob, pushes) {
  await step('a push leads to its message', async () => {
    const { data } = pushes.find(({ understood: it }) => it && it.type.endsWith('.new_message')).understood;
    const get = () => bob.getChannelBySid?.(data.channelSid) ?? bob.getConversationBySid(data.conversationSid);
    await until('it is there', () => get().then(() => true, () => false));
    const { items } = await (await get()).getMessages(1, data.messageIndex);
    check('the message', [items[0].sid, items[0].index, items[0].body], [data.messageSid, data.messageIndex, 'Hi, Bob']);
  });
}

function fields(push) {
  return Object.fromEntries(FIELDS.map((name) => [name, push[name]]));
}
