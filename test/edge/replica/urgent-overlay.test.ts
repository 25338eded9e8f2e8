import { describe, expect, test } from 'vitest';
import { UrgentOverlay } from '../../../edge/replica/urgent-overlay.ts';
import type { FeedPosition } from '../../../sync/contract/feed.ts';
import { cardIndex, credential, customer, customerId } from './feed-server.ts';

function at(xid: number, epoch = 'first'): FeedPosition {
  return { epoch, xid: String(xid), seq: 0 };
}

function blocked(n: number, position: FeedPosition) {
  return { position, credentials: [credential(n, { status: 'blocked' })], customers: [] };
}

describe('what is urgent', () => {
  test('holds at once, and until the feed has passed it', () => {
    const overlay = new UrgentOverlay();
    overlay.apply({
      position: at(9),
      credentials: [credential(1, { status: 'blocked' })],
      customers: [customer(1, { status: 'closed' })],
    });
    overlay.passed('credentials', at(8));
    expect(overlay.credential(cardIndex(1))?.status).toBe('blocked');
    overlay.passed('credentials', at(9));
    expect(overlay.credential(cardIndex(1))).toBeUndefined();
    expect(overlay.customer(customerId(1))?.status).toBe('closed');
    overlay.passed('customers', at(10));
    expect(overlay.customer(customerId(1))).toBeUndefined();
  });

  test('an erased customer and their cards are gone until the feed has passed it', () => {
    const overlay = new UrgentOverlay();
    overlay.apply(blocked(1, at(8)));
    overlay.apply({
      position: at(9),
      credentials: [],
      customers: [],
      erased: { credentials: [cardIndex(1)], customers: [customerId(1)] },
    });
    expect(overlay.credential(cardIndex(1))).toBeUndefined();
    expect(overlay.isGone('credentials', cardIndex(1))).toBe(true);
    expect(overlay.isGone('customers', customerId(1))).toBe(true);
    expect(overlay.isGone('credentials', cardIndex(2))).toBe(false);
    overlay.passed('credentials', at(8));
    expect(overlay.isGone('credentials', cardIndex(1))).toBe(true);
    overlay.passed('credentials', at(9));
    expect(overlay.isGone('credentials', cardIndex(1))).toBe(false);
    expect(overlay.isGone('customers', customerId(1))).toBe(true);
  });

  test('does not hide what the replica has from later', () => {
    const overlay = new UrgentOverlay();
    overlay.passed('credentials', at(20));
    overlay.apply(blocked(1, at(20)));
    overlay.apply(blocked(1, at(7)));
    expect(overlay.credential(cardIndex(1))).toBeUndefined();
    overlay.apply(blocked(1, at(21)));
    expect(overlay.credential(cardIndex(1))?.status).toBe('blocked');
  });

  test('gives way to what is later, not to what is older', () => {
    const overlay = new UrgentOverlay();
    overlay.apply(blocked(1, at(100)));
    overlay.apply({ position: at(99), credentials: [credential(1)], customers: [] });
    expect(overlay.credential(cardIndex(1))?.status).toBe('blocked');
    overlay.apply({ position: at(101), credentials: [credential(1)], customers: [] });
    expect(overlay.credential(cardIndex(1))?.status).toBe('active');
  });

  test('of another history holds until a replica of that history serves', () => {
    const overlay = new UrgentOverlay();
    overlay.passed('credentials', at(500));
    overlay.apply(blocked(1, at(3, 'second')));
    expect(overlay.credential(cardIndex(1))?.status).toBe('blocked');
    overlay.passed('credentials', at(3, 'second'));
    expect(overlay.credential(cardIndex(1))).toBeUndefined();
  });

  test('is kept for ten thousand cards, the latest of them', () => {
    const overlay = new UrgentOverlay();
    for (let n = 0; n < 10_001; n += 1) overlay.apply(blocked(n, at(n + 1)));
    expect(overlay.credential(cardIndex(0))).toBeUndefined();
    expect(overlay.credential(cardIndex(1))?.status).toBe('blocked');
    expect(overlay.credential(cardIndex(10_000))?.status).toBe('blocked');
  });
});
