import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FeedHead } from '../../sync/contract/feed.ts';
import type { FeedUrgent, Request, Response } from '../../sync/contract/messages.ts';
import type { ObeyedVersions } from '../../sync/obeyed-versions.ts';
import { FeedClient } from '../../sync/replica-feed.ts';
import { settle } from '../support/manual-clock.ts';
import { at } from './support/model-server.ts';
import type { ModelServer } from './support/model-server.ts';
import { TillEnd } from './support/till-end.ts';
import { topics } from './support/model-server.ts';
import { MemoryVersions } from './support/memory-versions.ts';

const JITTER_MS = 2_000;
const heads = (seq: number, epoch = 'e1'): FeedHead => ({
  heads: {
    credentials: at(seq, epoch),
    customers: at(seq, epoch),
    offers: at(seq, epoch),
    programme: at(seq, epoch),
  },
});
const urgent: FeedUrgent = { position: at(5), credentials: [], customers: [] };

async function open(versions: ObeyedVersions = new MemoryVersions()): Promise<{
  end: TillEnd;
  server: ModelServer;
  feed: FeedClient;
  behind: string[];
  urgents: FeedUrgent[];
  handler: { fail: boolean };
  refusing: { now: boolean };
  histories: () => number;
}> {
  let histories = 0;
  const behind: string[] = [];
  const urgents: FeedUrgent[] = [];
  const handler = { fail: false };
  const refusing = { now: false };
  const later: { feed?: FeedClient } = {};
  const { end, server } = await TillEnd.open({
    parts: (made) => {
      later.feed = new FeedClient({
        requests: made.requests,
        topics,
        reader: made.reader,
        versions,
        clock: made.clock,
        random: made.random,
        log: made.log,
        maxJitterMs: JITTER_MS,
        onBehind: (collection) => {
          if (refusing.now) throw new Error('nobody is there');
          behind.push(collection);
        },
        onUrgent: (message) => {
          if (handler.fail) throw new Error('overlay');
          urgents.push(message);
        },
        onNewHistory: () => void (histories += 1),
      });
      return later.feed.subscriptions;
    },
  });
  if (later.feed === undefined) throw new Error('no feed');
  return { end, server, feed: later.feed, behind, urgents, handler, refusing, histories: () => histories };
}

/** A feed of `total` documents that answers in chunks of at most `chunk`. */
function feedOf(total: number, chunk: () => number, epoch = 'e1') {
  return (request: Request): Response => {
    if (request.body.kind !== 'feed.page') throw new Error('no page was asked for');
    const { after, limit } = request.body;
    const from = after?.seq ?? 0;
    const to = Math.min(total, from + Math.min(limit, chunk()));
    const documents = Array.from({ length: to - from }, (_, i) => ({ n: from + i + 1, _deleted: false }));
    return {
      requestId: request.requestId,
      ok: true,
      answer: { kind: 'feed.page', page: { documents, position: at(to, epoch), more: to < total } },
    };
  };
}

describe('pulling the feed', () => {
  test('how long changes have been held back comes with the end of the feed', async () => {
    const { server, feed } = await open();
    const answer = feedOf(5, () => 2);
    server.respond = (request) => {
      const response = answer(request);
      if (!response.ok || response.answer.kind !== 'feed.page' || response.answer.page.more) return response;
      return {
        ...response,
        answer: { ...response.answer, page: { ...response.answer.page, behindMs: 45_000 } },
      };
    };
    expect(await feed.pull('customers', null, 3)).not.toHaveProperty('behindMs');
    const page = await feed.pull('customers', null, 10);
    expect(page.documents).toHaveLength(5);
    expect(page.behindMs).toBe(45_000);
  });

  test('a short page means the end and nothing else, however the server cuts its replies', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 60 }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 10 }),
        async (total, limit, chunks) => {
          const { server, feed } = await open();
          let i = 0;
          server.respond = feedOf(total, () => chunks[i++ % chunks.length] ?? 1);
          const seen: unknown[] = [];
          let after = null as Parameters<FeedClient['pull']>[1];
          for (;;) {
            const page = await feed.pull('customers', after, limit);
            seen.push(...page.documents.map((document) => document['n']));
            after = page.position;
            if (page.documents.length < limit) break;
          }
          expect(seen).toEqual(Array.from({ length: total }, (_, n) => n + 1));
        },
      ),
      { numRuns: 50 },
    );
  });

  test('a reply that promises more and leads nowhere is refused instead of asked for ever', async () => {
    const { server, feed } = await open();
    server.respond = ({ requestId }) => ({
      requestId,
      ok: true,
      answer: { kind: 'feed.page', page: { documents: [], position: at(3), more: true } },
    });
    await expect(feed.pull('customers', null, 10)).rejects.toMatchObject({ code: 'WIRE_MALFORMED' });
    expect(server.requests).toHaveLength(2);
  });

  test('another epoch is told as such', async () => {
    const { server, feed } = await open();
    server.respond = feedOf(5, () => 5, 'e2');
    await expect(feed.pull('customers', at(3), 10)).rejects.toMatchObject({ code: 'REP_EPOCH_CHANGED' });
  });

  test('more documents than were asked for are refused', async () => {
    const { server, feed } = await open();
    server.respond = (request) => {
      if (request.body.kind !== 'feed.page') throw new Error('no page was asked for');
      return feedOf(50, () => 50)({ ...request, body: { ...request.body, limit: 50 } });
    };
    await expect(feed.pull('customers', null, 10)).rejects.toMatchObject({ code: 'WIRE_MALFORMED' });
  });
});

describe('notices of a moved head', () => {
  test('each collection that is behind is named once, after a wait of at most the jitter', async () => {
    const { end, server, behind } = await open();
    server.send('head', heads(4));
    await settle();
    expect(behind).toEqual([]);
    await end.clock.advance(JITTER_MS);
    expect(behind.toSorted()).toEqual(['credentials', 'customers', 'offers', 'programme']);
  });

  test('many notices within the wait are one', async () => {
    const { end, server, behind } = await open();
    for (let i = 1; i <= 20; i += 1) server.send('head', heads(i));
    await end.clock.advance(JITTER_MS);
    expect(behind).toHaveLength(4);
  });

  test('a head that was told before is no news, however often it is told', async () => {
    const { end, server, behind } = await open();
    server.send('head', heads(4), { version: 900 });
    await end.clock.advance(JITTER_MS);
    behind.length = 0;
    for (let again = 0; again < 5; again += 1) {
      // The retained one, with each reconnect; and a newer one that says the same.
      server.send('head', heads(4), { version: 900 + again });
      await end.clock.advance(JITTER_MS);
    }
    expect(behind).toEqual([]);
  });

  test('that one reader has pulled is news all the same: another one may lack it', async () => {
    const { end, server, feed, behind } = await open();
    server.respond = feedOf(4, () => 4);
    // A replica that is loaded beside the serving one is ahead of it.
    await feed.pull('customers', null, 10);
    server.send('head', heads(4));
    await feed.pull('customers', at(1), 10);
    await end.clock.advance(JITTER_MS);
    expect(behind).toContain('customers');
  });

  test('that nobody took is told again with the next head', async () => {
    const { end, server, behind, refusing } = await open();
    refusing.now = true;
    server.send('head', heads(4), { version: 900 });
    await end.clock.advance(JITTER_MS);
    refusing.now = false;
    server.send('head', heads(4), { version: 900 });
    await end.clock.advance(JITTER_MS);
    expect(behind).toHaveLength(4);
  });

  test('a head that comes late does not count against a newer one', async () => {
    const { end, server, behind } = await open();
    server.send('head', heads(4), { version: 900 });
    await end.clock.advance(JITTER_MS);
    behind.length = 0;
    server.send('head', heads(9), { version: 800 });
    await end.clock.advance(JITTER_MS);
    expect(behind).toEqual([]);
  });

  test('the head of another epoch always is news, and another history', async () => {
    const { end, server, behind, histories } = await open();
    server.send('head', heads(4));
    server.send('head', heads(5));
    await end.clock.advance(JITTER_MS);
    expect(histories()).toBe(0);
    behind.length = 0;
    server.send('head', heads(1, 'e2'));
    await end.clock.advance(JITTER_MS);
    expect(behind).toContain('customers');
    expect(histories()).toBe(1);
  });

  test('closing cancels what waits', async () => {
    const { end, server, feed, behind } = await open();
    server.send('head', heads(4));
    await settle();
    await feed.close();
    await end.clock.advance(JITTER_MS);
    expect(behind).toEqual([]);
    expect(end.clock.pending).toBe(0);
  });
});

describe('urgent messages', () => {
  test('they are passed on at once, and once when they come twice', async () => {
    const { server, urgents } = await open();
    server.send('urgent', urgent, { version: 7 });
    server.send('urgent', urgent, { version: 7 });
    await settle();
    expect(urgents).toEqual([urgent]);
  });

  test('one that is older than one obeyed is not applied; the feed is asked instead', async () => {
    const { end, server, urgents, behind } = await open();
    server.send('urgent', urgent, { version: 7 });
    server.send('urgent', { ...urgent, position: at(4) }, { version: 6 });
    await end.clock.advance(JITTER_MS);
    expect(urgents).toEqual([urgent]);
    expect(end.reader.rejected).toEqual({ WIRE_EXPIRED: 1 });
    expect(behind.toSorted()).toEqual(['credentials', 'customers']);
  });

  test('one obeyed before a restart is not obeyed again when it is played back', async () => {
    const versions = new MemoryVersions();
    versions.obeyed('urgent', 7);
    const { server, urgents } = await open(versions);
    server.send('urgent', urgent, { version: 7 });
    server.send('urgent', urgent, { version: 5 });
    await settle();
    expect(urgents).toEqual([]);
  });

  test('one that could not be applied does not count as obeyed', async () => {
    const { server, urgents, handler } = await open();
    handler.fail = true;
    server.send('urgent', urgent, { version: 7 });
    await settle();
    handler.fail = false;
    server.send('urgent', urgent, { version: 7 });
    await settle();
    expect(urgents).toEqual([urgent]);
  });
});
