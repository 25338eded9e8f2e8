// Goal: where a scan that identifies nobody goes: to the outputs of its reader, to the client that claimed it, or nowhere.
import { expect, onTestFinished, test } from 'vitest';
import { Scan } from '../../../drivers/driver.ts';
import { PassThroughConfig } from '../../../edge/pass-through/config.ts';
import { PassThrough } from '../../../edge/pass-through/pass-through.ts';
import { recognise } from '../../../edge/recognition/recognise.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const rules = { schemes: { byLength: new Map() } };

async function passThroughOf(
  outputs: readonly object[],
): Promise<{ clock: ManualClock; passThrough: PassThrough }> {
  const clock = new ManualClock();
  const passThrough = await PassThrough.open({
    config: PassThroughConfig.parse({ outputs }),
    readerIds: ['counter', 'portal'],
    rules,
    clock,
    random: new SeededRandom(1),
    log: silentLog,
  });
  onTestFinished(() => passThrough.close());
  return { clock, passThrough };
}

function offer(passThrough: PassThrough, readerId: string, code = '4006381333931'): unknown {
  const payload = Buffer.from(code, 'latin1');
  const scan = new Scan({
    readerId,
    symbology: 'unknown',
    payload,
    receivedAtMonotonicMs: 0,
    receivedAt: 0,
  });
  const presented = { payload: Uint8Array.from(payload), symbology: 'unknown', source: 'reader' } as const;
  return passThrough.offer(scan, recognise(presented, rules));
}

/** Nobody ever listens there, so all that is given to it waits. */
const listening = { id: 'pos', kind: 'tcp-listen', port: 0 };
const waiting = (passThrough: PassThrough): number[] =>
  passThrough.statuses().map((output) => output.waiting);

test('a reader without an output is told of by the event alone', async () => {
  const { passThrough } = await passThroughOf([{ ...listening, from: ['portal'] }]);
  expect(offer(passThrough, 'counter')).toEqual({ kind: 'event' });
  expect(offer(passThrough, 'counter', '\u0000\u00ff')).toBeUndefined();
  expect(waiting(passThrough)).toEqual([0]);
});

test('an output has the readers it names, or all of them', async () => {
  const { passThrough } = await passThroughOf([
    { ...listening, from: ['portal'] },
    { ...listening, id: 'all' },
  ]);
  expect(offer(passThrough, 'counter')).toEqual({ kind: 'waiting' });
  expect(offer(passThrough, 'portal')).toEqual({ kind: 'waiting' });
  expect(waiting(passThrough)).toEqual([1, 2]);
});

test('a claimed reader’s products go to its client alone, and nowhere while that pauses', async () => {
  const { clock, passThrough } = await passThroughOf([listening]);
  const wish = { readerId: 'counter', clientId: 'c-1', leaseMs: 5_000, dataEventEnabled: true };
  passThrough.claims.claim(wish);
  expect(offer(passThrough, 'counter')).toEqual({ kind: 'claimed', clientId: 'c-1' });
  expect(offer(passThrough, 'counter', '\u0000\u00ff')).toBeUndefined();
  expect(offer(passThrough, 'counter', '4111111111111111')).toBeUndefined();
  passThrough.claims.claim({ ...wish, dataEventEnabled: false });
  expect(offer(passThrough, 'counter')).toEqual({ kind: 'paused', clientId: 'c-1' });
  expect(waiting(passThrough)).toEqual([0]);
  expect(offer(passThrough, 'portal')).toEqual({ kind: 'waiting' });
  await clock.advance(5_000);
  expect(offer(passThrough, 'counter')).toEqual({ kind: 'waiting' });
  expect(passThrough.claims.views()).toEqual([]);
});

test('a payment card goes nowhere', async () => {
  const { passThrough } = await passThroughOf([listening]);
  expect(offer(passThrough, 'counter', '4111111111111111')).toBeUndefined();
  expect(waiting(passThrough)).toEqual([0]);
});
