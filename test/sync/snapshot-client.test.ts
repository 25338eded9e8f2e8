// Goal: a chunk is what its name says, whatever happens to the download.
// Method: a real HTTP server that cuts, lies and refuses; the MQTT way in memory; time that a test owns.
import { hash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { isFault, StammkundeError } from '../../foundation/errors.ts';
import { silentLog } from '../../foundation/log.ts';
import { SeededRandom } from '../../foundation/random.ts';
import type { SnapshotChunkAnswer, SnapshotOfferAnswer } from '../../sync/contract/snapshot.ts';
import type { Answer, Question } from '../../sync/contract/messages.ts';
import { SnapshotClient } from '../../sync/snapshot-client.ts';
import type { SnapshotQuestions } from '../../sync/snapshot-client.ts';
import { ManualClock } from '../support/manual-clock.ts';

const content = Buffer.from(new SeededRandom(5).bytes(700_000));
const chunk = { sha256: hash('sha256', content), bytes: content.length };
const position = { epoch: 'e', xid: '1', seq: 1 };

type Serve = (request: IncomingMessage, response: ServerResponse, nth: number) => void;

interface World {
  readonly client: SnapshotClient;
  readonly clock: ManualClock;
  /** Range headers of what was asked by HTTP. */
  readonly http: (string | undefined)[];
  /** Offsets of what was asked in MQTT messages. */
  readonly mqtt: number[];
  slice: (question: Question<'snapshot.chunk'>) => SnapshotChunkAnswer;
  /** The chunk, with time passing as fast as it can. */
  fetch(signal?: AbortSignal): Promise<Buffer>;
}

function honest({ sha256: _sha256, offset, length }: Question<'snapshot.chunk'>): SnapshotChunkAnswer {
  const bytes = content.subarray(offset, offset + length).toString('base64');
  return { kind: 'snapshot.chunk', bytes, total: content.length };
}

async function world(serve: Serve | undefined): Promise<World> {
  const http: (string | undefined)[] = [];
  const mqtt: number[] = [];
  const server = createServer((request, response) => {
    http.push(request.headers.range);
    serve?.(request, response, http.length - 1);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
  if (serve === undefined) await stop();
  else onTestFinished(stop);
  const clock = new ManualClock();
  const ready: SnapshotOfferAnswer = {
    kind: 'snapshot.offer',
    offer: 'ready',
    manifest: {
      id: '1',
      madeAt: 0,
      positions: { credentials: position, customers: position },
      documents: { credentials: 0, customers: 0 },
      chunks: [],
    },
    http: { url: `http://127.0.0.1:${port}`, ticket: 'ticket', expiresAt: clock.now() + 1 },
  };
  const questions: SnapshotQuestions = {
    ask: async <K extends 'snapshot.offer' | 'snapshot.chunk'>(question: Question<K>): Promise<Answer<K>> => {
      const asked: Question<'snapshot.offer' | 'snapshot.chunk'> = question;
      if (asked.kind === 'snapshot.chunk') mqtt.push(asked.offset);
      const answer = asked.kind === 'snapshot.chunk' ? made.slice(asked) : ready;
      // The answer is of the question's kind, which TypeScript does not follow.
      return answer as Answer<K>;
    },
  };
  const client = new SnapshotClient({ questions, clock, random: new SeededRandom(1), log: silentLog });
  const made: World = {
    client,
    clock,
    http,
    mqtt,
    slice: honest,
    fetch: async (signal = new AbortController().signal) => {
      let over = false;
      const fetched = client.chunk(chunk, signal).finally(() => (over = true));
      fetched.catch(() => {});
      // Small steps: a download on its way is not to look stalled.
      while (!over) await clock.advance(50);
      return fetched;
    },
  };
  return made;
}

/** What an honest server does. */
function serveRange(request: IncomingMessage, response: ServerResponse): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const body = content.subarray(start);
  response.writeHead(start > 0 ? 206 : 200, {
    'content-length': body.length,
    ...(start > 0 ? { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` } : {}),
  });
  response.end(body);
}

/** Some of the body, and then the connection breaks. */
function cutAfter(length: number): Serve {
  return (request, response) => {
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(start > 0 ? 206 : 200, {
      'content-length': content.length - start,
      ...(start > 0 ? { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` } : {}),
    });
    response.write(content.subarray(start, start + length), () => response.socket?.destroySoon());
  };
}

test('a chunk comes by HTTP with the ticket, asked for once', async () => {
  let authorization: string | undefined;
  const { client, fetch, http, mqtt } = await world((request, response) => {
    authorization = request.headers.authorization;
    expect(request.url).toBe(`/v1/snapshots/chunks/${chunk.sha256}`);
    serveRange(request, response);
  });
  await client.offer(null);
  expect((await fetch()).equals(content)).toBe(true);
  expect(authorization).toBe('Bearer ticket');
  expect(http).toEqual([undefined]);
  expect(mqtt).toEqual([]);
  expect(client.receivedBytes).toBe(content.length);
});

test('after each cut the rest is asked for, not the whole', async () => {
  const cuts = [150_000, 1, 300_000];
  const { client, fetch, http, mqtt } = await world((request, response, nth) => {
    const cut = cuts[nth];
    if (cut === undefined) serveRange(request, response);
    else cutAfter(cut)(request, response, nth);
  });
  await client.offer(null);
  expect((await fetch()).equals(content)).toBe(true);
  expect(http).toEqual([undefined, 'bytes=150000-', 'bytes=150001-', 'bytes=450001-']);
  expect(mqtt).toEqual([]);
});

test('a server that answers a range with the whole is taken at its word', async () => {
  const { client, fetch } = await world((request, response, nth) => {
    if (nth === 0) cutAfter(100_000)(request, response, nth);
    else {
      response.writeHead(200, { 'content-length': content.length });
      response.end(content);
    }
  });
  await client.offer(null);
  expect((await fetch()).equals(content)).toBe(true);
});

test('where HTTP cannot be reached, the chunk comes in MQTT messages, and HTTP is left alone for a while', async () => {
  const { client, clock, fetch, mqtt } = await world(undefined);
  await client.offer(null);
  expect((await fetch()).equals(content)).toBe(true);
  expect(mqtt).toEqual([0, 262_144, 524_288]);
  const asked = clock.now();
  expect((await fetch()).equals(content)).toBe(true);
  // Nothing had to be waited for.
  expect(clock.now() - asked).toBeLessThan(1_000);
});

test('what came by HTTP is kept when MQTT brings the rest', async () => {
  const { client, fetch, http, mqtt } = await world((request, response, nth) => {
    if (nth === 0) cutAfter(100_000)(request, response, nth);
    else response.writeHead(503).end();
  });
  await client.offer(null);
  expect((await fetch()).equals(content)).toBe(true);
  expect(http.slice(0, 2)).toEqual([undefined, 'bytes=100000-']);
  expect(mqtt[0]).toBe(100_000);
});

test('without an address for downloads all comes in MQTT messages', async () => {
  const { fetch, http, mqtt } = await world(serveRange);
  expect((await fetch()).equals(content)).toBe(true);
  expect(http).toEqual([]);
  expect(mqtt).toHaveLength(3);
});

test('a redirect is not followed, and the ticket goes nowhere else', async () => {
  let elsewhere = 0;
  const { client, fetch, mqtt } = await world((request, response) => {
    if (request.url === '/elsewhere') elsewhere += 1;
    response.writeHead(307, { location: '/elsewhere' }).end();
  });
  await client.offer(null);
  expect((await fetch()).equals(content)).toBe(true);
  expect(elsewhere).toBe(0);
  expect(mqtt).toHaveLength(3);
});

test.each([
  ['says another length', { 'content-length': content.length + 1 }, 200],
  ['sends another range than was asked for', { 'content-range': `bytes 5-9/${content.length}` }, 206],
] as const)('a server that %s is not read', async (_what, headers, status) => {
  const { client, fetch, mqtt } = await world((_request, response) => {
    response.writeHead(status, headers);
    response.write(content.subarray(0, 10), () => response.destroy());
  });
  await client.offer(null);
  expect((await fetch()).equals(content)).toBe(true);
  expect(mqtt[0]).toBe(0);
});

test('a body longer than the chunk is not read beyond it', async () => {
  const { client, fetch, mqtt } = await world((_request, response) => {
    response.writeHead(200);
    response.end(Buffer.alloc(content.length + 200_000));
  });
  await client.offer(null);
  expect((await fetch()).equals(content)).toBe(true);
  expect(mqtt.length).toBeGreaterThan(0);
  expect(client.receivedBytes).toBeLessThanOrEqual(3 * content.length);
});

test('a chunk with a wrong hash is fetched again, twice by HTTP and then in MQTT messages', async () => {
  const { client, fetch, http, mqtt } = await world((_request, response) => {
    response.writeHead(200, { 'content-length': content.length });
    response.end(Buffer.alloc(content.length));
  });
  await client.offer(null);
  expect((await fetch()).equals(content)).toBe(true);
  expect(http).toEqual([undefined, undefined]);
  expect(mqtt).toEqual([0, 262_144, 524_288]);
});

test('a chunk that is wrong every way is refused by a code of its own', async () => {
  const made = await world((_request, response) => {
    response.writeHead(200, { 'content-length': content.length });
    response.end(Buffer.alloc(content.length));
  });
  made.slice = ({ length }) => ({
    kind: 'snapshot.chunk',
    bytes: Buffer.alloc(length).toString('base64'),
    total: content.length,
  });
  await made.client.offer(null);
  await expect(made.fetch()).rejects.toMatchObject({ code: 'REP_CHUNK_WRONG' });
  expect(made.http).toHaveLength(2);
  expect(made.mqtt).toHaveLength(6);
});

test('a chunk the server no longer keeps is told as gone, by HTTP and by MQTT', async () => {
  const one = await world((_request, response) => response.writeHead(404).end());
  await one.client.offer(null);
  await expect(one.fetch()).rejects.toMatchObject({ code: 'REP_CHUNK_GONE' });
  const other = await world(undefined);
  other.slice = () => {
    throw new StammkundeError('REP_CHUNK_GONE', 'gone');
  };
  await expect(other.fetch()).rejects.toMatchObject({ code: 'REP_CHUNK_GONE' });
  expect(other.mqtt).toHaveLength(2);
});

test('a ticket that is not taken leaves the MQTT way, until the next offer', async () => {
  const { client, clock, fetch, http, mqtt } = await world((_request, response) => {
    response.writeHead(401).end();
  });
  await client.offer(null);
  await fetch();
  expect(http).toHaveLength(1);
  expect(mqtt).toHaveLength(3);
  expect(client.isOfferOld).toBe(false);
  await clock.advance(45 * 60_000);
  expect(client.isOfferOld).toBe(true);
});

test('a download that stalls is given up, and goes on where it was', async () => {
  const { client, clock, http } = await world((request, response, nth) => {
    if (nth > 0) serveRange(request, response);
    else {
      response.writeHead(200, { 'content-length': content.length });
      response.write(content.subarray(0, 50_000));
    }
  });
  await client.offer(null);
  const fetched = client.chunk(chunk, new AbortController().signal);
  while (client.receivedBytes < 50_000) await clock.advance(1);
  await clock.advance(14_000);
  expect(http).toHaveLength(1);
  while (http.length < 2) await clock.advance(1_000);
  // Not by the deadline of the whole download, which is minutes away.
  expect(clock.monotonicMs()).toBeLessThan(100_000);
  expect((await fetched).equals(content)).toBe(true);
  expect(http).toEqual([undefined, 'bytes=50000-']);
});

test('with no way open it is given up after some attempts, for whoever asked to decide', async () => {
  const made = await world(undefined);
  made.slice = () => {
    throw new StammkundeError('BUS_UNREACHABLE', 'no network');
  };
  await made.client.offer(null);
  await expect(made.fetch()).rejects.toMatchObject({ code: 'BUS_UNREACHABLE' });
  expect(made.mqtt.length).toBeLessThanOrEqual(12);
});

test('slices of another length, or of another chunk, are not put together', async () => {
  const made = await world(undefined);
  made.slice = (question) => ({ ...honest(question), total: content.length - 1 });
  await expect(made.fetch()).rejects.toMatchObject({ code: 'WIRE_MALFORMED' });
  made.slice = (question) => honest({ ...question, length: question.length - 1 });
  await expect(made.fetch()).rejects.toMatchObject({ code: 'WIRE_MALFORMED' });
});

test('the signal ends a download at once, with its reason', async () => {
  const stop = new AbortController();
  const { client, clock } = await world((_request, response) => {
    response.writeHead(200, { 'content-length': content.length });
    response.write(content.subarray(0, 10));
  });
  await client.offer(null);
  const fetched = client.chunk(chunk, stop.signal);
  while (client.receivedBytes < 10) await clock.advance(1);
  stop.abort(new Error('the till is closing'));
  await expect(fetched).rejects.toThrow('the till is closing');
});

test('whatever mixture of cuts, refusals and lost messages comes, the chunk is whole or an error is thrown', async () => {
  const fault = fc.oneof(
    fc.integer({ min: 1, max: 400_000 }).map((length) => ({ kind: 'cut', length }) as const),
    fc.constantFrom(500, 429, 401, 302).map((status) => ({ kind: 'status', status }) as const),
    fc.constant({ kind: 'fine' } as const),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fault, { maxLength: 5 }),
      fc.array(fc.boolean(), { maxLength: 8 }),
      async (faults, lost) => {
        const made = await world((request, response, nth) => {
          const now = faults[nth] ?? { kind: 'fine' };
          if (now.kind === 'cut') cutAfter(now.length)(request, response, nth);
          else if (now.kind === 'status') response.writeHead(now.status, { location: '/' }).end();
          else serveRange(request, response);
        });
        made.slice = (question) => {
          if (lost[made.mqtt.length - 1] === true) throw new StammkundeError('BUS_TIMEOUT', 'lost');
          return honest(question);
        };
        await made.client.offer(null);
        const outcome = await made.fetch().catch((error: unknown) => error);
        const isWhole = Buffer.isBuffer(outcome) && outcome.equals(content);
        expect(isWhole || isFault(outcome, 'BUS_TIMEOUT')).toBe(true);
      },
    ),
    { numRuns: 25 },
  );
});
