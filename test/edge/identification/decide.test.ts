import { describe, expect, test } from 'vitest';
import { decide } from '../../../edge/identification/decide.ts';
import { card, customer, NOW } from './documents.ts';

const fresh = { now: NOW, stale: false };

describe('whose card it is', () => {
  test('is known when both card and customer are good', () => {
    expect(decide(card(), customer(), fresh)).toEqual({ verdict: 'known', customer: customer() });
  });

  test('is unknown for a card the replica does not hold, or that nobody owns, or whose owner it does not hold', () => {
    expect(decide(undefined, undefined, fresh)).toEqual({ verdict: 'unknown' });
    expect(decide(card({ customerId: null }), undefined, fresh)).toEqual({ verdict: 'unknown' });
    expect(decide(card(), undefined, fresh)).toEqual({ verdict: 'unknown' });
  });

  test('is not said when card or customer are blocked, or the customer has left', () => {
    expect(decide(card({ status: 'blocked' }), customer(), fresh)).toEqual({ verdict: 'blocked' });
    expect(decide(card({ status: 'blocked', customerId: null }), undefined, fresh)).toEqual({
      verdict: 'blocked',
    });
    expect(decide(card(), customer({ status: 'blocked' }), fresh)).toEqual({ verdict: 'blocked' });
    expect(decide(card(), customer({ status: 'closed' }), fresh)).toEqual({ verdict: 'blocked' });
  });

  test('is not said from the instant on at which the card expires', () => {
    const expiring = card({ validUntil: NOW });
    expect(decide(expiring, customer(), { now: NOW - 1, stale: false })).toMatchObject({ verdict: 'known' });
    expect(decide(expiring, customer(), fresh)).toEqual({ verdict: 'expired', since: NOW });
    expect(decide({ ...expiring, status: 'blocked' }, customer(), fresh)).toEqual({ verdict: 'blocked' });
  });
});

describe('the first name', () => {
  const nameOf = (...args: Parameters<typeof decide>): unknown => {
    const as = decide(...args);
    return as.verdict === 'known' ? as.customer.greeting : as;
  };

  test('is there with the consent to be greeted, in a replica fresh enough to rely on it', () => {
    expect(nameOf(card(), customer(), fresh)).toBe('Anna');
    expect(nameOf(card(), customer({ purposes: ['profiling'] }), fresh)).toBeNull();
    expect(nameOf(card(), customer(), { now: NOW, stale: true })).toBeNull();
  });

  test('is kept from the customer alone: points and tier stay', () => {
    expect(decide(card(), customer(), { now: NOW, stale: true })).toEqual({
      verdict: 'known',
      customer: { ...customer(), greeting: null },
    });
  });
});
