// An app that can set nothing but its region: `HOST:PORT/x` leads to tsock.HOST over TLS, and the media of the older
// SDKs to mcs.HOST. The certificate is trusted by NODE_EXTRA_CA_CERTS, and names below .test lead here.
// `node flow-region.js KEY CERTIFICATE twilio-chat|chat4|chat3`
'use strict';

const dns = require('node:dns');
const fs = require('node:fs');

const look = dns.lookup;
dns.lookup = (host, options, callback) => look(host.endsWith('.test') ? '127.0.0.1' : host, options, callback);

const name = process.argv[4];
const sdk = require(name);
const { Proxy, check, connect, scenario, server, step, wait } = require('./scenario');

scenario(async () => {
  const [key, cert] = process.argv.slice(2, 4).map((file) => fs.readFileSync(file));
  const proxy = await new Proxy({ key, cert }).open();
  const region = `chat.test:${proxy.port}/x`;
  const alice = await step('alice connects', async () => {
    const client = await connect(sdk, 'alice', { region, Twilsock: undefined });
    check('by TLS', proxy.passed > 0, true);
    return client;
  });
  const channel = await step('she makes a channel and sends to it', async () => {
    const channel = await alice.createChannel({ friendlyName: 'Over TLS' });
    const joined = wait(alice, 'channelJoined');
    await channel.join();
    await joined;
    check('nothing was said yet', (await channel.getMessages()).items, []);
    const came = wait(channel, 'messageAdded');
    await channel.sendMessage('hello');
    check('what came', (await came).body, 'hello');
    check('user', (await alice.getUserDescriptor('alice')).identity, 'alice');
    check('subscribed', (await alice.getSubscribedChannels()).items.length, 1);
    return channel;
  });
  if (name !== 'twilio-chat') await step('she sends a file', async () => { // newer ones go where the server says
    const came = wait(channel, 'messageAdded');
    await channel.sendMessage({ contentType: 'text/plain', media: Buffer.from('bytes') }, {});
    const { media } = await came;
    check('media', [media.contentType, media.size], ['text/plain', 5]);
    const url = await (media.getContentTemporaryUrl ?? media.getContentUrl).call(media);
    check('its content', await (await fetch(url.replace(/^https?:..[^/]+/, server.url))).text(), 'bytes');
  });
});
