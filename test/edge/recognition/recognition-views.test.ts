import { expect, test } from 'vitest';
import { TillEvent } from '../../../edge/api/events.ts';
import { scanOutcome, typedRefusal } from '../../../edge/recognition/recognition-views.ts';
import type { Recognised } from '../../../edge/recognition/recognise.ts';
import { Credential } from '../../../sync/contract/credential.ts';

const recognised: readonly Recognised[] = [
  { kind: 'credential', credential: new Credential('card', 'house', 'L1', '2900000123454') },
  { kind: 'product', code: '4006381333931' },
  { kind: 'refused', code: 'PAN_REJECTED', reason: 'pan', brand: 'visa', length: 16 },
  { kind: 'unreadable', code: 'REC_CHECK_DIGIT' },
];

test('every outcome is an event of the local API, credentials masked', () => {
  const outcomes = recognised.map((each) => scanOutcome(each, 'ean-13'));
  expect(outcomes).toEqual([
    { kind: 'credential', credential: 'card …3454', scheme: 'house' },
    { kind: 'product', code: '4006381333931', symbology: 'ean-13' },
    { kind: 'refused', code: 'PAN_REJECTED', reason: 'pan' },
    { kind: 'unreadable', code: 'REC_CHECK_DIGIT' },
  ]);
  for (const outcome of outcomes) {
    const event = {
      event: 'scan',
      scanId: '018f0000-0000-7000-8000-000000000001',
      readerId: 'counter',
      outcome,
    };
    expect(TillEvent.safeParse(event).success).toBe(true);
  }
});

test('a typed number that is no card is refused with a reason that repeats nothing of it', () => {
  const refusals = recognised.flatMap((each) => (each.kind === 'credential' ? [] : [typedRefusal(each)]));
  expect(refusals.map(({ code }) => code)).toEqual([
    'CARD_NUMBER_INVALID',
    'PAN_REJECTED',
    'REC_CHECK_DIGIT',
  ]);
  expect(refusals.filter(({ reason }) => /\d{4}/.test(reason) || reason === '')).toEqual([]);
});
