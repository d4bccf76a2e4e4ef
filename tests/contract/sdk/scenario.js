// What every scenario stands on: tokens, clients, events waited for, named steps, REST, and a proxy that can be cut.
//
// A scenario is a script `flow-….js`. pytest starts it with the server's address and credentials in HUBBUB, and it ends
// with 0 when all its steps passed. A step that fails says what it expected; the steps after it are tried all the same.
'use strict';

const assert = require('node:assert');
const crypto = require('node:crypto');
const net = require('node:net');
const tls = require('node:tls');

const server = JSON.parse(process.env.HUBBUB);
const PATIENCE = 30_000; // for an event, also on a machine that is busy with other things
const STEP = 60_000;
const SCENARIO = 150_000;
const failed = [];
const clients = [];
const started = Date.now();
const tolerated = [];

// Rejections of the SDK that no app could handle, in a scenario that brings them about.
function tolerate(pattern) {
  tolerated.push(pattern);
}

process.on('unhandledRejection', (error) => {
  if (tolerated.some((pattern) => pattern.test(error))) return;
  failed.push('unhandled rejection');
  console.log('FAIL unhandled rejection:', describe(error));
});

function describe(error) {
  const body = error?.body ? ` ${JSON.stringify(error.body)}` : '';
  return `${error?.stack || error}${body}`;
}

// Steps

async function step(name, run, milliseconds = STEP) {
  const begun = Date.now();
  try {
    const result = await within(milliseconds, run());
    console.log(`ok   ${name} (${Date.now() - begun} ms)`);
    return result;
  } catch (error) {
    failed.push(name);
    console.log(`FAIL ${name} (${Date.now() - begun} ms): ${describe(error)}`);
    return undefined;
  }
}

// Some calls of the SDKs never settle when they fail.
function within(milliseconds, promise) {
  const late = () => new Error(`it took more than ${milliseconds} ms`);
  return new Promise((resolve, reject) => {
    setTimeout(() => reject(late()), milliseconds).unref();
    Promise.resolve(promise).then(resolve, reject);
  });
}

// Run the scenario and end the process: a timer of the SDK would keep it alive.
async function scenario(run) {
  await step('the scenario runs to its end', run, SCENARIO);
  await step('the clients leave', () => Promise.all(clients.map((client) => client.shutdown())));
  console.log(`${failed.length} failed, ${Date.now() - started} ms`);
  process.exit(failed.length ? 1 : 0);
}

function check(what, actual, expected) {
  assert.deepStrictEqual(actual, expected, `${what}: expected ${show(expected)}, got ${show(actual)}`);
}

function show(value) {
  return JSON.stringify(value) ?? String(value);
}

// Resolves with the event's argument. Call it before what causes the event.
function wait(emitter, event, accept = () => true, milliseconds = PATIENCE) {
  const promise = new Promise((resolve, reject) => {
    const listen = (argument) => accept(argument) && end(resolve, argument);
    const end = (settle, value) => {
      clearTimeout(timer);
      emitter.removeListener(event, listen);
      settle(value);
    };
    emitter.on(event, listen);
    const timer = setTimeout(() => end(reject, new Error(`no ${event} came for: ${accept}`)), milliseconds);
  });
  promise.catch(() => {}); // whoever awaits it is told; a step that failed before that is told of itself
  return promise;
}

// Accepts the updates that have this among their reasons.
function because(reason) {
  return ({ updateReasons }) => updateReasons.includes(reason);
}

// Ask again and again until it is true, for what no event tells.
async function until(what, ask, milliseconds = PATIENCE) {
  const end = Date.now() + milliseconds;
  while (!(await ask())) {
    assert(Date.now() < end, `it did not come to pass in ${milliseconds} ms: ${what}`);
    await sleep(20);
  }
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

// How a call was refused: the HTTP status and the error's code.
async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return { status: error.status ?? error.body?.status, code: error.body?.code ?? error.code };
  }
  throw new Error('it was expected to be refused, and was not');
}

// Tokens and clients

// A token as the official helper libraries make it.
function token(identity, { seconds = 3600, secret = server.secret, service = server.service_sid, grant = {} } = {}) {
  const now = Math.floor(Date.now() / 1000);
  const grants = { identity, chat: { service_sid: service, ...grant } };
  const issuer = { jti: `${server.key_sid}-${now}`, iss: server.key_sid, sub: server.account_sid };
  const claims = { ...issuer, exp: now + seconds, grants };
  const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const signed = `${encode({ typ: 'JWT', alg: 'HS256', cty: 'twilio-fpa;v=1' })}.${encode(claims)}`;
  return `${signed}.${crypto.createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

function address(port = server.port) {
  return `ws://127.0.0.1:${port}/v3/wsconnect`;
}

// A client of the SDK, ready. The one option of ours is the address.
async function connect(sdk, identity, { uri = address(), access = token(identity), ...options } = {}) {
  const client = await sdk.Client.create(access, { Twilsock: { uri }, logLevel: process.env.SDK_LOG, ...options });
  clients.push(client);
  await until(`${identity} is connected`, () => client.connectionState === 'connected');
  return client;
}

// REST, as the back end of the app

const authorization = `Basic ${Buffer.from(`${server.account_sid}:${server.auth_token}`).toString('base64')}`;

async function rest(method, path, form) {
  const response = await fetch(`${server.url}/v2/Services/${server.service_sid}${path}`, {
    method,
    headers: { Authorization: authorization },
    body: form && new URLSearchParams(form),
  });
  const text = await response.text();
  assert(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

// A TCP proxy to the server that can be cut in the middle of whatever passes; with `secure`, it speaks TLS outside.
class Proxy {
  constructor(secure) {
    const take = (socket) => this.join(socket);
    this.pairs = new Set();
    this.refusing = false;
    this.passed = 0; // bytes from the server to its clients
    this.listener = secure ? tls.createServer(secure, take) : net.createServer(take);
  }

  async open() {
    await new Promise((resolve) => this.listener.listen(0, '127.0.0.1', resolve));
    this.port = this.listener.address().port;
    return this;
  }

  join(near) {
    if (this.refusing) {
      near.destroy();
      return;
    }
    const far = net.connect(server.port, '127.0.0.1');
    const pair = { near, far };
    this.pairs.add(pair);
    far.on('data', (data) => {
      this.passed += data.length;
    });
    near.pipe(far);
    far.pipe(near);
    for (const socket of [near, far]) {
      socket.on('error', () => {});
      socket.on('close', () => {
        this.pairs.delete(pair);
        near.destroy();
        far.destroy();
      });
    }
  }

  cut() {
    for (const { near, far } of this.pairs) {
      near.destroy();
      far.destroy();
    }
  }
}

// What only pytest can do, such as stopping the server: it reads the line, does it, and answers with one.
function ask(what) {
  return new Promise((resolve) => {
    process.stdin.once('data', () => resolve(process.stdin.pause()));
    process.stdin.resume();
    console.log(`ask  ${what}`);
  });
}

function range(first, last) {
  return Array.from({ length: last - first + 1 }, (_, offset) => first + offset);
}

module.exports = {
  Proxy, address, ask, authorization, because, check, connect, range, refusal, rest, scenario, server, step, token,
  tolerate, until, wait,
};
