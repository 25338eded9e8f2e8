import { describe, expect, onTestFinished, test } from 'vitest';
import { ProgrammerError } from '../../foundation/errors.ts';
import type { Bus, BusOpening } from '../../sync/bus.ts';
import { Inbox } from './support/inbox.ts';

/** What the contract needs to know of an implementation's surroundings. */
export interface BusWorld {
  /** A bus on this world's one broker. */
  open(opening: BusOpening): Promise<Bus>;
  /** Ends a bus's connection without a goodbye; it comes back by itself, or after {@link restart}. */
  cut(bus: Bus): void;
  stopBroker(): Promise<void>;
  /** On the same address, remembering nothing. */
  restartBroker(): Promise<void>;
  close(): Promise<void>;
  /** Where time stands still unless it is moved. */
  passTime?(): void;
}

/** Resolves when the bus is connected (or not any more). */
export function whenConnected(bus: Bus, connected = true): Promise<void> {
  return new Promise((resolve) => {
    if (bus.connected === connected) {
      resolve();
      return;
    }
    const stop = bus.onConnection((now) => {
      if (now !== connected) return;
      stop();
      resolve();
    });
  });
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What every bus promises, run against each implementation. */
export function busContract(name: string, makeWorld: () => Promise<BusWorld>): void {
  describe(`the bus: ${name}`, () => {
    async function world(): Promise<BusWorld> {
      const made = await makeWorld();
      onTestFinished(() => made.close());
      return made;
    }
    async function open(
      of: BusWorld,
      filters: readonly string[] = [],
      opening: Partial<BusOpening> = {},
    ): Promise<{ bus: Bus; inbox: Inbox }> {
      const inbox = new Inbox();
      const bus = await of.open({
        ...opening,
        subscriptions: [
          ...(opening.subscriptions ?? []),
          ...filters.map((filter) => ({ filter, onMessage: inbox.take })),
        ],
      });
      onTestFinished(() => bus.close());
      of.passTime?.();
      await whenConnected(bus);
      return { bus, inbox };
    }

    test('a message reaches those whose filter fits, and no one else', async () => {
      const shop = await world();
      const { inbox } = await open(shop, ['a/+/c']);
      const { inbox: all } = await open(shop, ['a/#']);
      const { bus } = await open(shop);
      expect(await bus.publish('a/b/d', bytes('no'), { qos: 1 })).toBe('sent');
      expect(await bus.publish('a/b/c', bytes('yes'), { qos: 0 })).toBe('sent');
      expect(await inbox.next()).toEqual(['a/b/c', 'yes']);
      expect(await all.next()).toEqual(['a/b/d', 'no']);
      expect(await all.next()).toEqual(['a/b/c', 'yes']);
    });

    test('a bus hears what it publishes itself', async () => {
      const { bus, inbox } = await open(await world(), ['self']);
      await bus.publish('self', bytes('me'), { qos: 1 });
      expect(await inbox.next()).toEqual(['self', 'me']);
    });

    test('a retained message greets who comes later, and only the newest does', async () => {
      const shop = await world();
      const { bus } = await open(shop);
      await bus.publish('head', bytes('old'), { qos: 1, retain: true });
      await bus.publish('head', bytes('new'), { qos: 1, retain: true });
      const { inbox } = await open(shop, ['head']);
      expect(await inbox.next()).toEqual(['head', 'new']);
    });

    test('a message that is not retained is not for who comes later', async () => {
      const shop = await world();
      const { bus } = await open(shop);
      await bus.publish('x/once', bytes('gone'), { qos: 1 });
      const { inbox } = await open(shop, ['x/+']);
      await bus.publish('x/now', bytes('here'), { qos: 1 });
      expect(await inbox.next()).toEqual(['x/now', 'here']);
    });

    test('an end without a goodbye publishes the will, retained', async () => {
      const shop = await world();
      const { inbox } = await open(shop, ['state']);
      const { bus } = await open(shop, [], { will: () => ({ topic: 'state', payload: bytes('dead') }) });
      shop.cut(bus);
      expect(await inbox.next()).toEqual(['state', 'dead']);
      const { inbox: late } = await open(shop, ['state']);
      expect(await late.next()).toEqual(['state', 'dead']);
    });

    test('a goodbye keeps the will unsaid', async () => {
      const shop = await world();
      const { bus: witness, inbox } = await open(shop, ['state']);
      const { bus } = await open(shop, [], { will: () => ({ topic: 'state', payload: bytes('dead') }) });
      await bus.close();
      await witness.publish('state', bytes('after'), { qos: 1 });
      expect(await inbox.next()).toEqual(['state', 'after']);
    });

    test('the will is asked for anew with each connection', async () => {
      const shop = await world();
      let session = 0;
      const { inbox } = await open(shop, ['state']);
      const { bus } = await open(shop, [], {
        will: () => ({ topic: 'state', payload: bytes(`dead ${(session += 1)}`) }),
      });
      shop.cut(bus);
      expect(await inbox.next()).toEqual(['state', 'dead 1']);
      await whenConnected(bus);
      shop.cut(bus);
      const [, text] = await inbox.next();
      expect(text).toBe(`dead ${session - (bus.connected ? 1 : 0)}`);
      expect(session).toBeGreaterThanOrEqual(2);
    });

    test('while the broker is away publishing is offline, and subscriptions are back when it is', async () => {
      const shop = await world();
      const { bus, inbox } = await open(shop, ['a/#']);
      await shop.stopBroker();
      await whenConnected(bus, false);
      expect(await bus.publish('a/lost', bytes('lost'), { qos: 1 })).toBe('offline');
      expect(await bus.publish('a/lost', bytes('lost'), { qos: 0 })).toBe('offline');
      await shop.restartBroker();
      await whenConnected(bus);
      expect(await bus.publish('a/kept', bytes('kept'), { qos: 1 })).toBe('sent');
      expect(await inbox.next()).toEqual(['a/kept', 'kept']);
    });

    test('a bus opened while the broker is away is there at once and joins when it comes', async () => {
      const shop = await world();
      await shop.stopBroker();
      const inbox = new Inbox();
      const bus = await shop.open({ subscriptions: [{ filter: 'a', onMessage: inbox.take }] });
      onTestFinished(() => bus.close());
      expect(bus.connected).toBe(false);
      expect(await bus.publish('a', bytes('lost'), { qos: 1 })).toBe('offline');
      await shop.restartBroker();
      await whenConnected(bus);
      await bus.publish('a', bytes('kept'), { qos: 1 });
      expect(await inbox.next()).toEqual(['a', 'kept']);
    });

    test('a handler that throws harms neither the bus nor the next handler', async () => {
      const shop = await world();
      const { bus, inbox } = await open(shop, ['a'], {
        subscriptions: [
          {
            filter: 'a',
            onMessage() {
              throw new Error('handler');
            },
          },
        ],
      });
      await bus.publish('a', bytes('1'), { qos: 1 });
      await bus.publish('a', bytes('2'), { qos: 1 });
      expect(await inbox.next()).toEqual(['a', '1']);
      expect(await inbox.next()).toEqual(['a', '2']);
    });

    test('a connection listener that throws does not keep the others from hearing', async () => {
      const shop = await world();
      const { bus } = await open(shop);
      bus.onConnection(() => {
        throw new Error('listener');
      });
      const heard = new Promise((resolve) => bus.onConnection(resolve));
      shop.cut(bus);
      expect(await heard).toBe(false);
    });

    test('a closed bus is offline, stays so, and closing again is the same', async () => {
      const shop = await world();
      const { bus } = await open(shop);
      await Promise.all([bus.close(), bus.close()]);
      await bus.close();
      expect(bus.connected).toBe(false);
      expect(await bus.publish('a', bytes('1'), { qos: 1 })).toBe('offline');
    });

    test('closing while messages are under way settles them all', async () => {
      const shop = await world();
      const { bus } = await open(shop);
      const publishing = Array.from({ length: 50 }, (_, i) => bus.publish('a', bytes(`${i}`), { qos: 1 }));
      await bus.close();
      for (const outcome of await Promise.all(publishing)) expect(['sent', 'offline']).toContain(outcome);
    });

    test('binary payloads arrive as they were sent', async () => {
      const payload = Uint8Array.from({ length: 70_000 }, (_, i) => i % 256);
      const arrived = Promise.withResolvers<Uint8Array>();
      const shop = await world();
      const { bus } = await open(shop, [], {
        subscriptions: [{ filter: 'bin', onMessage: (_topic, bytesIn) => arrived.resolve(bytesIn) }],
      });
      await bus.publish('bin', payload, { qos: 1 });
      expect(Buffer.from(await arrived.promise).equals(payload)).toBe(true);
    });

    test('a will that cannot be made is no connection yet, and is asked for again', async () => {
      const shop = await world();
      let asked = 0;
      const { bus } = await open(shop, [], {
        will: () => {
          if ((asked += 1) === 1) throw new Error('disk full');
          return { topic: 'state', payload: bytes('dead') };
        },
      });
      expect(bus.connected).toBe(true);
      expect(asked).toBe(2);
    });

    test('a wildcard is no topic to publish on', async () => {
      const { bus } = await open(await world());
      await expect(bus.publish('a/+', bytes(''), { qos: 1 })).rejects.toThrow(ProgrammerError);
    });
  });
}
