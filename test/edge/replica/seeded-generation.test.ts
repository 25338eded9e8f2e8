// Goal: a till without a replica, or told to load anew, takes a snapshot where the server has one, and goes on from there.
// Method: a snapshot in memory at an early position of the feed; the till must end where the feed ends.
import { hash } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { writerInThread } from '../../../edge/replica/thread/thread-writer.ts';
import type { ReplicaSource } from '../../../edge/replica/feed-source.ts';
import { replicaCollections } from '../../../sync/contract/replica-documents.ts';
import { snapshotCollections } from '../../../sync/contract/snapshot.ts';
import type { SnapshotChunk } from '../../../sync/contract/snapshot.ts';
import type { SnapshotQuestions } from '../../../sync/snapshot-client.ts';
import { customer, customerId, shopServer } from './feed-server.ts';
import type { FeedServer } from './feed-server.ts';
import { eventually, expectSame, openKeeper } from './replica-fixture.ts';

/** What the server has now, as a snapshot in one chunk a collection. */
function snapshotOf(server: FeedServer): SnapshotQuestions {
  const packed = new Map<string, Buffer>();
  const chunks = snapshotCollections.map((collection): SnapshotChunk => {
    const { primaryKey } = replicaCollections[collection];
    const keyOf = (document: object): string => String(Reflect.get(document, primaryKey));
    const documents = server.live(collection).toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
    const text = Buffer.from(documents.map((document) => `${JSON.stringify(document)}\n`).join(''));
    const bytes = zstdCompressSync(text);
    const sha256 = hash('sha256', bytes);
    packed.set(sha256, bytes);
    return {
      collection,
      sha256,
      bytes: bytes.length,
      unpackedBytes: text.length,
      documents: documents.length,
      first: keyOf(documents.at(0) ?? {}),
      last: keyOf(documents.at(-1) ?? {}),
    };
  });
  const [credentials, customers] = snapshotCollections.map((name) => server.head(name));
  if (credentials === undefined || customers === undefined) throw new Error('two collections');
  const manifest = {
    id: '1',
    madeAt: 1,
    positions: { credentials, customers },
    documents: {
      credentials: server.live('credentials').length,
      customers: server.live('customers').length,
    },
    chunks,
  };
  const answer = (question: Parameters<SnapshotQuestions['ask']>[0]): object => {
    if (question.kind === 'snapshot.offer')
      return { kind: question.kind, offer: 'ready', manifest, http: null };
    const bytes = packed.get(question.sha256) ?? Buffer.alloc(0);
    const slice = bytes.subarray(question.offset, question.offset + question.length);
    return { kind: question.kind, bytes: slice.toString('base64'), total: bytes.length };
  };
  // Each kind of question is answered with the answer of its kind, just above.
  return { ask: (question) => Promise.resolve(answer(question) as never) };
}

function sourceWith(server: FeedServer, snapshots: SnapshotQuestions): ReplicaSource {
  return {
    pull: (...asked) => server.pull(...asked),
    ranges: (...asked) => server.ranges(...asked),
    bucket: (...asked) => server.bucket(...asked),
    snapshots,
  };
}

describe('a generation loaded from a snapshot', () => {
  test.each([
    ['in the same thread', undefined],
    ['in a thread of its own', writerInThread()],
  ])(
    '(%s) goes on with the feed from where the snapshot was made, deletions included',
    async (_where, openWriter) => {
      const server = shopServer(400);
      const snapshots = snapshotOf(server);
      server.put('customers', customer(3, { tier: 'gold' }), customer(900));
      server.remove('customers', customerId(7));
      const { keeper, log } = await openKeeper(openWriter === undefined ? {} : { openWriter });
      keeper.follow(sourceWith(server, snapshots));
      await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
      expectSame(keeper, server);
      expect(log.count('replica.seeded')).toBe(1);
      // Nothing the snapshot brought was pulled again.
      expect(server.asks('customers')[0]?.after).not.toBeNull();
      await eventually(() => expect(keeper.status.verifiedAt).not.toBeNull());
      expect(keeper.status.lastDifference).toBeNull();
      // What was loaded past RxDB is updated by it.
      server.put('customers', customer(5, { tier: 'gold' }));
      server.remove('customers', customerId(6));
      keeper.resync();
      await eventually(() => expectSame(keeper, server));
    },
  );

  test('whose chunks are wrong is asked for again, and claims nothing until it is right', async () => {
    const server = shopServer(40);
    const good = snapshotOf(server);
    let spoilt = true;
    const snapshots: SnapshotQuestions = {
      ask: async (question) => {
        const answer = await good.ask(question);
        return spoilt && 'bytes' in answer
          ? { ...answer, bytes: Buffer.alloc(9).toString('base64') }
          : answer;
      },
    };
    const { keeper, log } = await openKeeper();
    keeper.follow(sourceWith(server, snapshots));
    await eventually(() => expect(log.lines.some(({ event }) => event.startsWith('snapshot.'))).toBe(true));
    expect(keeper.caughtUpAt).toBeNull();
    spoilt = false;
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    expectSame(keeper, server);
  });

  test('whose chunks are wrong for good is loaded page by page; the next one tries a snapshot again', async () => {
    const server = shopServer(40);
    const good = snapshotOf(server);
    let spoilt = true;
    let offers = 0;
    const snapshots: SnapshotQuestions = {
      ask: async (question) => {
        const answer = await good.ask(question);
        if ('offer' in answer) offers += 1;
        return spoilt && 'bytes' in answer
          ? { ...answer, bytes: Buffer.alloc(Buffer.from(answer.bytes, 'base64').length).toString('base64') }
          : answer;
      },
    };
    const { keeper, log } = await openKeeper();
    keeper.follow(sourceWith(server, snapshots));
    await eventually(() => expect(keeper.caughtUpAt).not.toBeNull());
    expectSame(keeper, server);
    expect(log.lines.find(({ event }) => event === 'replica.seed.failed')).toMatchObject({
      error: { code: 'REP_CHUNK_WRONG' },
    });
    expect(log.count('replica.seed.failed')).toBe(1);
    expect(log.count('replica.seeded')).toBe(0);
    expect(offers).toBe(3);
    expect(server.asks('customers')[0]?.after).toBeNull();
    spoilt = false;
    keeper.reseed();
    await eventually(() => expect(log.count('replica.seeded')).toBe(1));
    await eventually(() => expect(log.count('replica.replaced')).toBe(2));
    expectSame(keeper, server);
  });
});
