import { describe, expect, test } from 'vitest';
import type { Request, Response } from '../../sync/contract/messages.ts';
import { settle } from '../support/manual-clock.ts';
import { at } from './support/model-server.ts';
import { TillEnd } from './support/till-end.ts';

const QUESTION = { kind: 'feed.page', collection: 'customers', after: null, limit: 10 } as const;
const LIMITS = { inFlightMax: 2, waitingMax: 3, deadlineMs: 5_000 };

function answerTo(request: Request, seq = 1): Response {
  const page = { documents: [], position: at(seq), more: false };
  return { requestId: request.requestId, ok: true, answer: { kind: 'feed.page', page } };
}

describe('asking the server', () => {
  test('an answer reaches the one who asked, in whatever order answers come', async () => {
    const { end, server } = await TillEnd.open();
    const first = end.requests.ask(QUESTION);
    const second = end.requests.ask(QUESTION);
    await settle();
    const [one, two] = server.requests;
    if (one === undefined || two === undefined) throw new Error('not asked');
    server.send('response', answerTo(two, 2));
    server.send('response', answerTo(one, 1));
    expect((await first).page.position.seq).toBe(1);
    expect((await second).page.position.seq).toBe(2);
    expect(end.clock.pending).toBe(0);
  });

  test('an answer that comes twice, or to no question, is no trouble', async () => {
    const { end, server } = await TillEnd.open();
    const asked = end.requests.ask(QUESTION);
    await settle();
    const [request] = server.requests;
    if (request === undefined) throw new Error('not asked');
    server.send('response', answerTo({ ...request, requestId: '0190f8a0-0000-7000-8000-00000000000f' }));
    server.send('response', answerTo(request));
    server.send('response', answerTo(request));
    await expect(asked).resolves.toMatchObject({ kind: 'feed.page' });
    await settle();
    expect(end.lines).toEqual([]);
  });

  test('without an answer the deadline ends the waiting', async () => {
    const { end } = await TillEnd.open({ limits: LIMITS });
    const asked = end.requests.ask(QUESTION).catch((error: unknown) => error);
    await end.clock.advance(LIMITS.deadlineMs);
    expect(await asked).toMatchObject({ code: 'BUS_TIMEOUT' });
    expect(end.clock.pending).toBe(0);
  });

  test('without a connection it fails at once', async () => {
    const { end, bus } = await TillEnd.open();
    bus.unplug();
    await expect(end.requests.ask(QUESTION)).rejects.toMatchObject({ code: 'BUS_UNREACHABLE' });
  });

  test('a connection that breaks fails what was under way at once', async () => {
    const { end, bus } = await TillEnd.open();
    const asked = end.requests.ask(QUESTION);
    await settle();
    bus.unplug();
    await expect(asked).rejects.toMatchObject({ code: 'BUS_UNREACHABLE' });
  });

  test('no more are under way than allowed, the next waits its turn, and too many are turned away', async () => {
    const { end, server } = await TillEnd.open({ limits: LIMITS });
    const asked = Array.from({ length: 5 }, () => end.requests.ask(QUESTION));
    await expect(end.requests.ask(QUESTION)).rejects.toMatchObject({ code: 'BUS_TIMEOUT' });
    await settle();
    expect(server.requests).toHaveLength(2);
    server.respond = (request) => answerTo(request);
    for (const request of server.requests.slice()) server.send('response', answerTo(request));
    await Promise.all(asked);
    expect(server.requests).toHaveLength(5);
  });

  test('what a customer waits for is asked at once while a replica is being loaded, and the other way round', async () => {
    const { end, server } = await TillEnd.open({ limits: LIMITS });
    const lookup = { kind: 'credential.lookup', index: 'A'.repeat(43) } as const;
    const asked = [
      ...Array.from({ length: 3 }, () => end.requests.ask(QUESTION)),
      ...Array.from({ length: 3 }, () => end.requests.ask(lookup)),
    ].map((each) => each.catch(() => undefined));
    await settle();
    expect(server.requests.map(({ body }) => body.kind)).toEqual([
      'feed.page',
      'feed.page',
      'credential.lookup',
      'credential.lookup',
    ]);
    await end.requests.close();
    await Promise.all(asked);
  });

  test('a question given up makes room for the next, and its answer is not waited for', async () => {
    const { end, server } = await TillEnd.open({ limits: { ...LIMITS, inFlightMax: 1 } });
    const abort = new AbortController();
    const given = end.requests.ask(QUESTION, abort.signal);
    const next = end.requests.ask(QUESTION);
    await settle();
    expect(server.requests).toHaveLength(1);
    abort.abort();
    await expect(given).rejects.toMatchObject({ code: 'BUS_TIMEOUT' });
    await settle();
    const [first, second] = server.requests;
    if (first === undefined || second === undefined) throw new Error('not asked');
    server.send('response', answerTo(first, 1));
    server.send('response', answerTo(second, 2));
    expect((await next).page.position.seq).toBe(2);
    await expect(end.requests.ask(QUESTION, abort.signal)).rejects.toMatchObject({ code: 'BUS_TIMEOUT' });
    expect(server.requests).toHaveLength(2);
    expect(end.clock.pending).toBe(0);
  });

  test('a refusal carries the server’s code when it is known, and REQ_REFUSED when not', async () => {
    const { end, server } = await TillEnd.open();
    const refuseWith = (code: string): void => {
      server.respond = ({ requestId }) => ({ requestId, ok: false, code, message: 'no' });
    };
    refuseWith('REP_EPOCH_CHANGED');
    await expect(end.requests.ask(QUESTION)).rejects.toMatchObject({ code: 'REP_EPOCH_CHANGED' });
    refuseWith('NEVER_HEARD_OF');
    await expect(end.requests.ask(QUESTION)).rejects.toMatchObject({
      code: 'REQ_REFUSED',
      message: 'NEVER_HEARD_OF: no [REQ_REFUSED]',
    });
    refuseWith('toString');
    await expect(end.requests.ask(QUESTION)).rejects.toMatchObject({ code: 'REQ_REFUSED' });
  });

  test('closing fails what is under way, and what comes after', async () => {
    const { end } = await TillEnd.open();
    const asked = end.requests.ask(QUESTION).catch((error: unknown) => error);
    await end.requests.close();
    expect(await asked).toMatchObject({ code: 'BUS_UNREACHABLE' });
    await expect(end.requests.ask(QUESTION)).rejects.toMatchObject({ code: 'BUS_UNREACHABLE' });
  });
});
