// Goal: what one till asks holds up no other, and what loads a replica holds up nobody who waits at a till.
// Method: handlers that answer when the test lets them, and a clock the test owns.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { LogFields } from '../../../foundation/log.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom, uuidV7 } from '../../../foundation/random.ts';
import { RequestResponder } from '../../../server/requests/request-responder.ts';
import type { RequestHandlers } from '../../../server/requests/request-responder.ts';
import { LOOKUP_DEADLINE_MS } from '../../../sync/contract/lookup.ts';
import type { Question, QuestionKind } from '../../../sync/contract/messages.ts';
import { topicsOf } from '../../../sync/contract/topics.ts';
import { encode } from '../../../sync/contract/wire.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';

const topics = topicsOf('shop');
const random = new SeededRandom(8);
const index = 'A'.repeat(43);
const page = { documents: [], position: { epoch: 'e', xid: '1', seq: 0 }, more: false };
const questions = {
  bulk: { kind: 'feed.page', collection: 'customers', after: null, limit: 10 },
  lookup: { kind: 'credential.lookup', index },
  code: { kind: 'rotating-code.verify', index, at: 0, password: '123456' },
} as const satisfies Record<string, Question>;
type Asked = keyof typeof questions;

let clock: ManualClock;
let responder: RequestResponder;
/** Tills whose questions are being answered, and how each is let go. */
let begun: { readonly till: string; readonly kind: QuestionKind; readonly end: () => void }[];
let answered: string[];
let logged: LogFields[];

beforeEach(() => {
  clock = new ManualClock();
  [begun, answered, logged] = [[], [], []];
  const held = <T>(till: string, kind: QuestionKind, answer: T): Promise<T> =>
    new Promise((resolve) => begun.push({ till, kind, end: () => resolve(answer) }));
  const unexpected = (): Promise<never> => Promise.reject(new Error('not asked here'));
  const handlers: RequestHandlers = {
    'feed.page': (till, { kind }) => held(till, kind, { kind, page }),
    'credential.lookup': (till, { kind }) => held(till, kind, { kind, credential: null, customer: null }),
    'points.reserve': (till, { kind }) =>
      held(till, kind, { kind, outcome: { verdict: 'refused', code: 'BURN_OFF' } }),
    'points.release': (till, { kind }) => held(till, kind, { kind, state: 'unknown' }),
    'points.allowance': (till, { kind }) => held(till, kind, { kind, allowance: null }),
    'rotating-code.verify': (till, { kind }) => held(till, kind, { kind, verdict: 'unknown' }),
    'app-code.confirm': unexpected,
    'feed.ranges': unexpected,
    'feed.bucket': unexpected,
    'snapshot.offer': unexpected,
    'snapshot.chunk': unexpected,
  };
  const note = (fields: LogFields): void => void logged.push(fields);
  responder = new RequestResponder({
    handlers,
    topics,
    statements: { sign: () => Promise.resolve(Buffer.alloc(1)) },
    bus: {
      publish: (topic) => {
        answered.push(topic.split('/').at(-2) ?? '');
        return Promise.resolve('sent');
      },
    },
    clock,
    log: { ...silentLog, warn: note, error: note },
  });
});
afterEach(async () => {
  const closed = responder.close();
  await letAllGo();
  await closed;
});

function ask(till: string, what: Asked, times = 1): void {
  for (let n = 0; n < times; n += 1) {
    const requestId = uuidV7(clock.now(), random);
    responder.offer(topics.request(till), encode({ till, requestId, body: questions[what] }));
  }
}

/** The question that has been at work the longest is answered. */
async function letGo(): Promise<void> {
  begun.shift()?.end();
  await settle();
}

async function letAllGo(): Promise<void> {
  while (begun.length > 0) await letGo();
}

test('a card is looked up while replicas are loaded and codes take long', async () => {
  ask('loading', 'bulk', 3);
  for (const till of ['a', 'b', 'c', 'd', 'e']) ask(till, 'code');
  await settle();
  ask('waiting', 'lookup');
  await settle();
  expect(begun.map(({ till }) => till)).toContain('waiting');
});

test('a code is checked while replicas are loaded', async () => {
  for (let n = 0; n < 5; n += 1) ask(`loading-${n}`, 'bulk');
  ask('waiting', 'code');
  await settle();
  expect(begun.map(({ till }) => till)).toEqual(['loading-0', 'waiting']);
});

test('one slow lookup does not hold up the next', async () => {
  ask('slow', 'lookup');
  ask('quick', 'lookup');
  await settle();
  begun.at(1)?.end();
  await settle();
  expect(answered).toEqual(['quick']);
});

test('a till that asks without end keeps its own questions waiting, and no other till’s', async () => {
  for (let second = 0; second < 30; second += 1) {
    ask('greedy', 'bulk', 60);
    await clock.advance(100);
  }
  expect(responder.status.waiting).toBe(8);
  ask('modest', 'bulk');
  const { dropped } = responder.status;
  await letGo();
  await letGo();
  // One of the greedy till's came before: the tills take turns.
  expect(begun.map(({ till }) => till)).toEqual(['modest']);
  expect(responder.status.dropped).toBe(dropped);
});

test('a question nobody waits for any more is not answered', async () => {
  for (const till of ['slow-1', 'slow-2']) ask(till, 'lookup');
  ask('gone', 'lookup');
  await clock.advance(LOOKUP_DEADLINE_MS);
  ask('there', 'lookup');
  await clock.advance(1);
  await letGo();
  expect(begun.map(({ till }) => till)).toEqual(['slow-2', 'there']);
  expect(responder.status.dropped).toBe(1);
});

test('an answer that never comes is a refusal after its time, and the lane goes on', async () => {
  for (const till of ['lost-1', 'lost-2']) ask(till, 'code');
  await clock.advance(2_999);
  ask('next', 'code');
  await clock.advance(1);
  expect(answered).toEqual(['lost-1', 'lost-2']);
  expect(logged).toMatchObject([{ error: { code: 'BUS_TIMEOUT' } }, { error: { code: 'BUS_TIMEOUT' } }]);
  expect(begun.map(({ till }) => till)).toEqual(['lost-1', 'lost-2', 'next']);
});

test('closing waits for an answer that never comes no longer than that', async () => {
  ask('lost', 'bulk');
  await settle();
  let isClosed = false;
  const closed = responder.close().then(() => (isClosed = true));
  await clock.advance(29_999);
  expect(isClosed).toBe(false);
  await clock.advance(1);
  await closed;
});
