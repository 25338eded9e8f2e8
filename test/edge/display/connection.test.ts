import { beforeEach, describe, expect, test } from 'vitest';
import { SeededRandom } from '../../../foundation/random.ts';
import { type ConnectionPorts, type SocketEvents, TillConnection } from '../../../edge/display/connection.ts';
import type { Link } from '../../../edge/display/state.ts';
import type { EventMessage } from '../../../edge/api/events.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { AT, hello, known, misreadScan } from './samples.ts';

let clock: ManualClock;
let sockets: { readonly events: SocketEvents; closed: boolean }[];
let links: Link[];
let messages: EventMessage[];
let daemonAnswers: boolean;
let connection: TillConnection;

beforeEach(() => {
  clock = new ManualClock();
  sockets = [];
  links = [];
  messages = [];
  daemonAnswers = false;
  const ports: ConnectionPorts = {
    clock,
    random: new SeededRandom(1),
    openSocket: (events) => {
      const socket = { events, closed: false };
      sockets.push(socket);
      return { close: () => void (socket.closed = true) };
    },
    daemonAnswers: () => Promise.resolve(daemonAnswers),
  };
  connection = TillConnection.open(ports, {
    message: (message) => messages.push(message),
    link: (link) => links.push(link),
  });
});

function latest(): (typeof sockets)[number] {
  const socket = sockets.at(-1);
  if (socket === undefined) throw new Error('no socket was opened');
  return socket;
}

function tell(n: number, payload: EventMessage['payload']): void {
  latest().events.frame(JSON.stringify({ n, at: AT, payload }));
}

describe('following', () => {
  test('the page is connected with hello, not before', () => {
    expect(links).toEqual([]);
    tell(1, hello);
    expect(links).toEqual([{ kind: 'open' }]);
    expect(messages).toHaveLength(1);
  });

  test('numbers may start anywhere, since hello tells all', () => {
    tell(4711, hello);
    tell(4712, known);
    expect(messages.map(({ n }) => n)).toEqual([4711, 4712]);
  });

  test('an event before hello is passed over', () => {
    tell(3, known);
    expect(messages).toEqual([]);
  });

  test('a message heard twice is heard once', () => {
    tell(1, hello);
    tell(2, known);
    tell(2, known);
    expect(messages).toHaveLength(2);
  });

  test('a gap in the numbers gives the socket up and takes hello from a new one, without alarm', async () => {
    tell(1, hello);
    tell(3, known);
    expect(messages).toHaveLength(1);
    expect(latest().closed).toBe(true);
    await clock.advance(500);
    expect(sockets).toHaveLength(2);
    tell(9, hello);
    tell(10, known);
    expect(messages.map(({ n }) => n)).toEqual([1, 9, 10]);
    expect(links.some(({ kind }) => kind === 'lost')).toBe(false);
  });

  test.each(['', '{', 'null', '[]', '{"n":2}', '{"n":2,"at":1,"payload":{"event":"toString"}}'])(
    'a frame that is no message is passed over: %s',
    (frame) => {
      tell(1, hello);
      latest().events.frame(frame);
      latest().events.frame(new ArrayBuffer(2));
      tell(2, known);
      expect(messages).toHaveLength(2);
      expect(sockets).toHaveLength(1);
    },
  );
});

describe('reconnecting', () => {
  test('it tries for ever, waiting longer up to five seconds', async () => {
    const waitsMs: number[] = [];
    for (let i = 0; i < 40; i += 1) {
      const before = clock.monotonicMs();
      latest().events.ended();
      const count = sockets.length;
      while (sockets.length === count) await clock.advance(50);
      waitsMs.push(clock.monotonicMs() - before);
    }
    expect(waitsMs[0]).toBeLessThanOrEqual(550);
    expect(Math.max(...waitsMs)).toBeLessThanOrEqual(5_050);
    expect(Math.min(...waitsMs.slice(10))).toBeGreaterThanOrEqual(2_500);
    expect(new Set(waitsMs.slice(10)).size).toBeGreaterThan(5);
  });

  test('a loss is told at once, and the next hello ends it', async () => {
    tell(1, hello);
    latest().events.ended();
    expect(links.at(-1)).toEqual({ kind: 'lost', reason: 'unreachable' });
    await clock.advance(500);
    tell(1, hello);
    expect(links.at(-1)).toEqual({ kind: 'open' });
  });

  test('a daemon that answers but admits no socket refuses this page', async () => {
    daemonAnswers = true;
    latest().events.ended();
    await settle();
    expect(links).toEqual([{ kind: 'lost', reason: 'not-allowed' }]);
  });

  test('a socket that never says hello is given up', async () => {
    await clock.advance(5_000);
    expect(sockets[0]?.closed).toBe(true);
    expect(links).toEqual([{ kind: 'lost', reason: 'unreachable' }]);
    await clock.advance(500);
    expect(sockets).toHaveLength(2);
  });

  test('a late word of an old socket is not taken for the new one’s', async () => {
    tell(1, hello);
    const old = latest();
    old.events.ended();
    await clock.advance(500);
    tell(1, hello);
    old.events.frame(JSON.stringify({ n: 2, at: AT, payload: misreadScan }));
    old.events.ended();
    expect(messages.map(({ payload }) => payload.event)).toEqual(['hello', 'hello']);
    expect(links.at(-1)).toEqual({ kind: 'open' });
    expect(latest().closed).toBe(false);
  });

  test('gaps in a row come back slower and slower, not in a storm', async () => {
    for (let i = 0; i < 12; i += 1) {
      tell(1, hello);
      tell(3, known);
      const count = sockets.length;
      while (sockets.length === count) await clock.advance(50);
    }
    expect(clock.monotonicMs()).toBeGreaterThan(15_000);
  });

  test('after a steady while a loss is answered quickly again', async () => {
    for (let i = 0; i < 10; i += 1) {
      latest().events.ended();
      await clock.advance(5_000);
    }
    tell(1, hello);
    await clock.advance(10_000);
    const count = sockets.length;
    latest().events.ended();
    await clock.advance(500);
    expect(sockets.length).toBe(count + 1);
  });
});

describe('a daemon that stands still', () => {
  const beating = { ...hello, heartbeatMs: 2_000 };

  test('is noticed within seconds, though its connection stays open', async () => {
    tell(1, beating);
    await clock.advance(5_999);
    expect(links).toEqual([{ kind: 'open' }]);
    await clock.advance(1);
    expect(links.at(-1)).toEqual({ kind: 'lost', reason: 'unreachable' });
    expect(sockets[0]?.closed).toBe(true);
    await clock.advance(500);
    expect(sockets).toHaveLength(2);
    tell(7, beating);
    expect(links.at(-1)).toEqual({ kind: 'open' });
  });

  test('is not one that beats, or tells something', async () => {
    tell(1, beating);
    for (let i = 0; i < 5; i += 1) {
      await clock.advance(5_000);
      tell(1 + i, { event: 'heartbeat' });
      await clock.advance(5_000);
      tell(2 + i, known);
    }
    expect(links).toEqual([{ kind: 'open' }]);
    expect(messages.map(({ n }) => n)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('cannot be told from one that never promised to beat', async () => {
    tell(1, hello);
    await clock.advance(600_000);
    expect(links).toEqual([{ kind: 'open' }]);
  });
});

test('a closed connection opens nothing more and says nothing more', async () => {
  tell(1, hello);
  connection.close();
  connection.close();
  expect(latest().closed).toBe(true);
  latest().events.ended();
  tell(2, known);
  await clock.advance(60_000);
  expect(sockets).toHaveLength(1);
  expect(messages).toHaveLength(1);
  expect(clock.pending).toBe(0);
});
