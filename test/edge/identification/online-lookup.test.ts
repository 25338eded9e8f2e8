// Goal: an answer counts for 150 ms, nobody waits where none can come, and whatever happens an outcome comes.
import { describe, expect, test } from 'vitest';
import { OnlineLookup } from '../../../edge/identification/online-lookup.ts';
import type { LookupOutcome } from '../../../edge/identification/online-lookup.ts';
import { StammkundeError } from '../../../foundation/errors.ts';
import { silentLog } from '../../../foundation/log.ts';
import type { LogFields } from '../../../foundation/log.ts';
import type { LookupAnswer } from '../../../sync/contract/lookup.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { card, customer, CUSTOMER_ID, NOW } from './documents.ts';

const INDEX = card().index;
const answer: LookupAnswer = { kind: 'credential.lookup', credential: card(), customer: customer() };
const unanswered = { kind: 'unanswered', code: 'BUS_TIMEOUT' };

interface Sent {
  readonly index: string;
  readonly signal: AbortSignal;
  resolve(answer: LookupAnswer): void;
  reject(error: Error): void;
}

function server() {
  const clock = new ManualClock(NOW);
  const sent: Sent[] = [];
  const logged: LogFields[] = [];
  const state = { online: true };
  const lookup = new OnlineLookup({
    ask: (index, signal) => {
      const { promise, resolve, reject } = Promise.withResolvers<LookupAnswer>();
      sent.push({ index, signal, resolve, reject });
      return promise;
    },
    isOnline: () => state.online,
    clock,
    log: { ...silentLog, error: (fields) => void logged.push(fields) },
  });
  const last = (): Sent => {
    const question = sent.at(-1);
    if (question === undefined) throw new Error('nothing was asked');
    return question;
  };
  return { clock, sent, last, lookup, state, logged };
}

/** What has come of a question so far. */
function watch(question: Promise<LookupOutcome>): () => LookupOutcome | undefined {
  let outcome: LookupOutcome | undefined;
  void question.then((come) => (outcome = come));
  return () => outcome;
}

describe('the deadline', () => {
  test('an answer after 149 ms is used', async () => {
    const { clock, last, lookup } = server();
    const outcome = watch(lookup.ask(INDEX));
    await clock.advance(149);
    last().resolve(answer);
    await settle();
    expect(outcome()).toEqual({
      kind: 'answered',
      credential: card(),
      customer: customer(),
      toldAt: NOW + 149,
    });
    expect(clock.pending).toBe(0);
  });

  test('an answer after 151 ms is not, and nobody has waited for it', async () => {
    const { clock, last, lookup } = server();
    const outcome = watch(lookup.ask(INDEX));
    await clock.advance(150);
    expect(outcome()).toEqual(unanswered);
    expect(last().signal.aborted).toBe(true);
    await clock.advance(1);
    last().resolve(answer);
    await settle();
    expect(outcome()).toEqual(unanswered);
    expect(lookup.asking).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test('without a connection nothing is asked and nobody waits', async () => {
    const { clock, sent, lookup, state } = server();
    state.online = false;
    expect(lookup.canAsk).toBe(false);
    expect(await lookup.ask(INDEX)).toEqual({ kind: 'unanswered', code: 'BUS_UNREACHABLE' });
    expect(sent).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test('a refusal ends the waiting with its code, a mistake of ours with a word in the log', async () => {
    const { last, lookup, logged } = server();
    const limited = lookup.ask(INDEX);
    last().reject(new StammkundeError('REQ_LIMITED', 'too many'));
    expect(await limited).toEqual({ kind: 'unanswered', code: 'REQ_LIMITED' });
    expect(logged).toEqual([]);
    const failed = lookup.ask(INDEX);
    last().reject(new TypeError('ours'));
    expect(await failed).toEqual(unanswered);
    expect(logged).toMatchObject([{ event: 'lookup.failed' }]);
  });
});

describe('a flood', () => {
  test('of cards has four questions on their way at most, and the newest win', async () => {
    const { clock, sent, lookup } = server();
    const outcomes = Array.from({ length: 100 }, (_, i) => watch(lookup.ask(String(i).padStart(43, 'A'))));
    expect(lookup.asking).toBe(4);
    await settle();
    expect(outcomes.slice(0, 96).map((outcome) => outcome())).toEqual(Array(96).fill(unanswered));
    expect(sent.filter(({ signal }) => !signal.aborted)).toHaveLength(4);
    for (const question of sent.slice(96)) question.resolve({ ...answer, credential: null, customer: null });
    await settle();
    expect(outcomes.slice(96).map((outcome) => outcome()?.kind)).toEqual(Array(4).fill('answered'));
    expect(clock.pending).toBe(0);
  });

  test('of one card is one question, and who waits for it is bounded', async () => {
    const { sent, last, lookup } = server();
    const outcomes = Array.from({ length: 20 }, () => lookup.ask(INDEX));
    expect(sent).toHaveLength(1);
    last().resolve(answer);
    const kinds = (await Promise.all(outcomes)).map(({ kind }) => kind);
    expect(kinds).toEqual(Array.from({ length: 20 }, (_, i) => (i < 8 ? 'answered' : 'unanswered')));
    void lookup.ask(INDEX);
    expect(sent).toHaveLength(2);
  });
});

describe('what is urgent while a question is on its way', () => {
  const quiet = { credentials: [], customers: [] };

  test.each([
    [
      'a block',
      { ...quiet, credentials: [card({ status: 'blocked' })] },
      { credential: { status: 'blocked' } },
    ],
    [
      'a consent taken back',
      { ...quiet, customers: [customer({ purposes: [], greeting: null })] },
      { customer: { greeting: null, purposes: [] } },
    ],
    [
      'an erasure',
      { ...quiet, erased: { credentials: [], customers: [CUSTOMER_ID] } },
      { credential: null, customer: null },
    ],
  ])('outweighs the answer: %s', async (_what, urgent, expected) => {
    const { last, lookup } = server();
    const asked = lookup.ask(INDEX);
    lookup.heard(urgent);
    last().resolve(answer);
    expect(await asked).toMatchObject({ kind: 'answered', ...expected });
    const again = lookup.ask(INDEX);
    last().resolve(answer);
    expect(await again).toMatchObject({ credential: { status: 'active' }, customer: { greeting: 'Anna' } });
  });

  test('and is more than can be kept, leaves no answer to be believed', async () => {
    const { last, lookup } = server();
    const asked = lookup.ask(INDEX);
    for (let i = 0; i < 33; i += 1) lookup.heard(quiet);
    last().resolve(answer);
    expect(await asked).toEqual(unanswered);
  });
});

test('closing gives up what is on its way, and nothing is asked after', async () => {
  const { clock, sent, lookup } = server();
  const asked = lookup.ask(INDEX);
  await lookup.close();
  expect(await asked).toEqual(unanswered);
  expect(await lookup.ask(INDEX)).toMatchObject({ kind: 'unanswered' });
  expect(sent).toHaveLength(1);
  expect(clock.pending).toBe(0);
});
