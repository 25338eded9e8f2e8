import { expect, onTestFinished, test } from 'vitest';
import { SystemClock } from '../../../foundation/clock.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SystemRandom } from '../../../foundation/random.ts';
import type { Bus, BusOpening } from '../../../sync/bus.ts';
import { MqttConfig } from '../../../sync/mqtt/config.ts';
import { MqttBus } from '../../../sync/mqtt/mqtt-bus.ts';
import { TillLink } from '../../../sync/till-link.ts';
import { whenConnected } from '../bus-contract.ts';
import { MemoryJournal, OWNER } from '../support/memory-journal.ts';
import { MemoryVersions } from '../support/memory-versions.ts';
import { ModelServer, TENANT, at, keys } from '../support/model-server.ts';
import { TestBroker } from '../support/test-broker.ts';

// The till's whole end over a real broker that is killed in the middle and comes back remembering nothing.

test('sales made while the broker is dead arrive, each once, after it is back', async () => {
  const broker = await TestBroker.open();
  const clock = new SystemClock();
  const random = new SystemRandom();
  const openBus = (opening: BusOpening): Promise<Bus> =>
    MqttBus.open(MqttConfig.parse({ url: broker.url, reconnect: { firstMs: 20, maxMs: 50 } }), {
      ...opening,
      clock,
      random,
      log: silentLog,
    });
  const server = await ModelServer.openOn(openBus, clock, OWNER);
  onTestFinished(() => server.bus.close());
  const journal = new MemoryJournal();
  let settled = Promise.withResolvers<void>();
  let bus: Bus | undefined;
  const link = await TillLink.open(
    {
      tenant: TENANT,
      publicKey: keys.publicKey,
      version: '0.1.0',
      journal,
      versions: new MemoryVersions(),
      sessions: { next: () => 1 },
      noticeJitterMs: 10,
      openBus: async (opening) => (bus = await openBus(opening)),
      clock,
      random,
      log: silentLog,
      uploadLimits: {
        windowBatches: 3,
        batchEntries: 20,
        batchChars: 100_000,
        // A batch that overtakes the server's subscription is lost and sent again.
        resend: { firstMs: 200, maxMs: 1_000 },
        holeGraceMs: 100,
      },
    },
    {
      health: () => ({ unconfirmed: 0, diverged: false, replicaAgeMs: null, readers: [] }),
      onBehind() {},
      onUrgent() {},
      onReseed() {},
      onChange: () => {
        if (journal.confirmedSeq === journal.lastSeq) settled.resolve();
      },
    },
  );
  onTestFinished(() => link.close());
  if (bus === undefined) throw new Error('no bus');
  await Promise.all([whenConnected(bus), whenConnected(server.bus)]);
  const sell = (count: number): void => {
    settled = Promise.withResolvers();
    journal.append(count);
    link.journalGrew();
  };

  sell(100);
  await settled.promise;
  sell(100);
  await broker.stop();
  sell(100);
  await broker.start();
  await settled.promise;
  expect(journal.confirmedSeq).toBe(300);
  expect([...server.rows.values()].toSorted((a, b) => a.seq - b.seq)).toEqual(journal.entries);
  expect(new Set(server.commits.values())).toEqual(new Set([1]));

  await Promise.all([whenConnected(bus), whenConnected(server.bus)]);
  server.respond = ({ requestId }) => ({
    requestId,
    ok: true,
    answer: { kind: 'feed.page', page: { documents: [], position: at(2), more: false } },
  });
  await expect(link.pull('offers', null, 10)).resolves.toMatchObject({ position: at(2) });
});
