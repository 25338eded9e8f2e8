// Goal: chunks are served to tills with a ticket, in whole or in part, and to nobody else.
// Method: the real API on a port of its own, asked over HTTP.
import { hash } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { Api } from '../../../server/api/api.ts';
import { Database } from '../../../server/database/database.ts';
import { byteRangeOf } from '../../../server/snapshots/byte-range.ts';
import { snapshotRoutes } from '../../../server/snapshots/snapshot-routes.ts';
import { storeChunk } from '../../../server/snapshots/snapshot-store.ts';
import { Tickets, TICKET_VALID_MS } from '../../../server/snapshots/ticket.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const secret = new Uint8Array(32).fill(3);
const bytes = Buffer.from(new SeededRandom(2).bytes(1_000));
const sha256 = hash('sha256', bytes);

describe('the chunks of snapshots over HTTP', () => {
  const clock = new ManualClock();
  const tickets = new Tickets(secret, 'shop');
  let database: Database;
  let api: Api;
  beforeAll(async () => {
    database = await Database.open({ memory: true }, { clock, random: new SeededRandom(1), log: silentLog });
    await storeChunk(database.db, { sha256, bytes, now: clock.now() });
    api = await Api.open(
      { host: '127.0.0.1', port: 0, token: 'the-api-token' },
      { log: silentLog, routes: [snapshotRoutes({ database, tickets, clock })] },
    );
  });
  afterAll(async () => {
    await api.close();
    await database.close();
  });
  const get = (headers: Record<string, string> = {}, name = sha256, method = 'GET'): Promise<Response> =>
    fetch(`${api.url}/v1/snapshots/chunks/${name}`, {
      method,
      headers: { authorization: `Bearer ${tickets.issue('till-1', clock.now()).ticket}`, ...headers },
    });
  const bodyOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer());

  test('a till with a ticket gets the whole, which never changes', async () => {
    const response = await get();
    expect(response.status).toBe(200);
    expect((await bodyOf(response)).equals(bytes)).toBe(true);
    expect(response.headers.get('etag')).toBe(`"${sha256}"`);
    expect(response.headers.get('accept-ranges')).toBe('bytes');
    expect(response.headers.get('cache-control')).toBe('private, max-age=31536000, immutable');
    expect(response.headers.get('content-length')).toBe('1000');
  });

  test.each([
    ['bytes=0-99', 0, 100],
    ['bytes=900-', 900, 1_000],
    ['bytes=-10', 990, 1_000],
    ['bytes=990-5000', 990, 1_000],
  ])('%s is answered with those bytes', async (range, start, end) => {
    const response = await get({ range });
    expect(response.status).toBe(206);
    expect(response.headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/1000`);
    expect((await bodyOf(response)).equals(bytes.subarray(start, end))).toBe(true);
  });

  test('a range beyond the end is refused with how much there is', async () => {
    const response = await get({ range: 'bytes=1000-' });
    expect(response.status).toBe(416);
    expect(response.headers.get('content-range')).toBe('bytes */1000');
    expect(await response.json()).toMatchObject({ error: { code: 'API_RANGE' } });
  });

  test('a range of another version is answered with the whole', async () => {
    expect((await get({ range: 'bytes=5-', 'if-range': `"${sha256}"` })).status).toBe(206);
    expect((await get({ range: 'bytes=5-', 'if-range': '"another"' })).status).toBe(200);
  });

  test('a chunk that is not kept is not found, and there is no list', async () => {
    expect((await get({}, '0'.repeat(64))).status).toBe(404);
    expect((await get({}, 'x')).status).toBe(400);
    const ticket = tickets.issue('till-1', clock.now()).ticket;
    const list = await fetch(`${api.url}/v1/snapshots/chunks`, {
      headers: { authorization: `Bearer ${ticket}` },
    });
    expect(list.status).toBe(401);
  });

  test.each([
    ['none', ''],
    ['the API’s own token', 'Bearer the-api-token'],
    ['a ticket of another programme', `Bearer ${new Tickets(secret, 'other').issue('till-1', 0).ticket}`],
    [
      'a ticket of another secret',
      `Bearer ${new Tickets(new Uint8Array(32), 'shop').issue('till-1', 0).ticket}`,
    ],
  ])('with %s nothing is told', async (_what, authorization) => {
    const response = await get({ authorization });
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ error: { code: 'API_UNAUTHORISED' } });
  });

  test('a ticket opens nothing but chunks', async () => {
    const { ticket } = tickets.issue('till-1', clock.now());
    const response = await fetch(`${api.url}/v1/anything`, {
      headers: { authorization: `Bearer ${ticket}` },
    });
    expect(response.status).toBe(401);
  });

  test('the description of the API names the route', async () => {
    const response = await fetch(`${api.url}/openapi.json`);
    expect(await response.json()).toHaveProperty(['paths', '/v1/snapshots/chunks/{sha256}', 'get']);
  });
});

test('a ticket names its till, for an hour, and cannot be altered', () => {
  const tickets = new Tickets(secret, 'shop');
  const { ticket, expiresAt } = tickets.issue('store-12-till-3', 1_000);
  expect(expiresAt).toBe(1_000 + TICKET_VALID_MS);
  expect(tickets.tillOf(ticket, expiresAt - 1)).toBe('store-12-till-3');
  expect(tickets.tillOf(ticket, expiresAt)).toBeUndefined();
  fc.assert(
    fc.property(
      fc.nat({ max: ticket.length - 1 }),
      fc.string({ minLength: 1, maxLength: 1 }),
      (at, letter) => {
        const altered = ticket.slice(0, at) + letter + ticket.slice(at + 1);
        fc.pre(altered !== ticket);
        // The last letter of base64url has bits that mean nothing.
        fc.pre(at < ticket.length - 1);
        expect(tickets.tillOf(altered, 1_000)).toBeUndefined();
      },
    ),
  );
});

test('a range is what the RFC says, or the whole', () => {
  expect(byteRangeOf(undefined, 10)).toEqual({ kind: 'whole' });
  expect(byteRangeOf('bytes=0-3,5-6', 10)).toEqual({ kind: 'whole' });
  expect(byteRangeOf('lines=1-2', 10)).toEqual({ kind: 'whole' });
  expect(byteRangeOf('bytes=-', 10)).toEqual({ kind: 'whole' });
  expect(byteRangeOf('bytes=5-3', 10)).toEqual({ kind: 'whole' });
  expect(byteRangeOf('bytes=-0', 10)).toEqual({ kind: 'beyond' });
  expect(byteRangeOf('bytes=10-', 10)).toEqual({ kind: 'beyond' });
  fc.assert(
    fc.property(
      fc.nat({ max: 50 }),
      fc.nat({ max: 50 }),
      fc.integer({ min: 1, max: 40 }),
      (from, to, total) => {
        const range = byteRangeOf(`bytes=${from}-${to}`, total);
        if (range.kind !== 'part') return;
        expect(range.start).toBe(from);
        expect(range.end).toBe(Math.min(to, total - 1));
        expect(range.start).toBeLessThanOrEqual(range.end);
      },
    ),
  );
});
