import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TillId } from '../../../sync/contract/ids.ts';
import { ANY_TILL, topicsOf } from '../../../sync/contract/topics.ts';
import { matchesFilter } from '../../../sync/mqtt/topic-filter.ts';

const topics = topicsOf('kaufhaus');
const tillId = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/);

test('topics stand below the version and the tenant', () => {
  expect(topics.journal('till-1')).toBe('stammkunde/v1/kaufhaus/till-1/journal');
  expect(topics.feedHead).toBe('stammkunde/v1/kaufhaus/feed/head');
});

test('the till is known from every topic a till publishes on, and from no other', () => {
  fc.assert(
    fc.property(tillId, (till) => {
      expect(TillId.safeParse(till).success).toBe(true);
      for (const topic of [topics.journal(till), topics.request(till), topics.state(till)]) {
        expect(topics.tillOf(topic)).toBe(till);
      }
      for (const topic of [topics.receipt(till), topics.response(till), topics.command(till)]) {
        expect(topics.tillOf(topic)).toBeUndefined();
      }
    }),
  );
});

test.each([
  'stammkunde/v1/other/till-1/journal',
  'stammkunde/v2/kaufhaus/till-1/journal',
  'stammkunde/v1/kaufhaus/till-1/journal/x',
  'stammkunde/v1/kaufhaus//journal',
  'stammkunde/v1/kaufhaus/+/journal',
  'stammkunde/v1/kaufhaus/TILL/journal',
  'x/stammkunde/v1/kaufhaus/till-1/journal',
  'stammkunde/v1/kaufhaus/feed/head',
  '',
])('%s names no till', (topic) => {
  expect(topics.tillOf(topic)).toBeUndefined();
});

test('the server hears every till by one filter, and never another tenant', () => {
  expect(matchesFilter(topics.journal(ANY_TILL), topics.journal('till-7'))).toBe(true);
  expect(matchesFilter(topics.journal(ANY_TILL), topicsOf('other').journal('till-7'))).toBe(false);
});

test('no till can be named like the feed’s own level and meet its topics', () => {
  const feed = topicsOf('kaufhaus');
  const ofTillFeed = ['journal', 'receipt', 'request', 'response', 'state', 'command'].map(
    (name) => `stammkunde/v1/kaufhaus/feed/${name}`,
  );
  expect(ofTillFeed).not.toContain(feed.feedHead);
  expect(ofTillFeed).not.toContain(feed.feedUrgent);
});
