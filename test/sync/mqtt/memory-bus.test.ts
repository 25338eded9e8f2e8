import { expect, test } from 'vitest';
import { silentLog } from '../../../foundation/log.ts';
import { MemoryBroker } from '../../../sync/mqtt/memory-broker.ts';
import { MemoryBus } from '../../../sync/mqtt/memory-bus.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { busContract } from '../bus-contract.ts';

busContract('in memory', () => {
  const clock = new ManualClock();
  const broker = new MemoryBroker({ clock, log: silentLog });
  return Promise.resolve({
    open: (opening) => MemoryBus.open(broker, { ...opening, clock, log: silentLog }),
    cut(bus) {
      if (!(bus instanceof MemoryBus)) throw new TypeError('not of this world');
      bus.unplug();
      bus.replug();
    },
    stopBroker: () => Promise.resolve(broker.stop()),
    restartBroker: () => Promise.resolve(broker.start()),
    close: () => Promise.resolve(),
    passTime: () => void clock.advance(1_000),
  });
});

async function pair(): Promise<{ clock: ManualClock; broker: MemoryBroker; bus: MemoryBus; got: string[] }> {
  const clock = new ManualClock();
  const broker = new MemoryBroker({ clock, log: silentLog });
  const got: string[] = [];
  const bus = await MemoryBus.open(broker, {
    clock,
    log: silentLog,
    subscriptions: [
      { filter: 't', onMessage: (_topic, payload) => got.push(Buffer.from(payload).toString()) },
    ],
  });
  await settle();
  return { clock, broker, bus, got };
}

test('a message lost before the broker times out after the deadline', async () => {
  const { clock, broker, bus, got } = await pair();
  broker.fate = ({ leg }) => (leg === 'up' ? [] : [0]);
  const outcome = bus.publish('t', Buffer.from('x'), { qos: 1 });
  await clock.advance(10_000);
  expect(await outcome).toBe('timeout');
  expect(got).toEqual([]);
});

test('a message lost behind the broker is sent all the same', async () => {
  const { broker, bus, got } = await pair();
  broker.fate = ({ leg }) => (leg === 'down' ? [] : [0]);
  expect(await bus.publish('t', Buffer.from('x'), { qos: 1 })).toBe('sent');
  await settle();
  expect(got).toEqual([]);
});

test('fate can duplicate and delay', async () => {
  const { clock, broker, bus, got } = await pair();
  broker.fate = ({ leg, payload }) => (leg === 'up' ? [0] : payload[0] === 49 ? [50] : [0, 0]);
  await bus.publish('t', Buffer.from('1'), { qos: 1 });
  await bus.publish('t', Buffer.from('2'), { qos: 1 });
  await clock.advance(100);
  expect(got).toEqual(['2', '2', '1']);
});
