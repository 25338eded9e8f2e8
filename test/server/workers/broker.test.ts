// Goal: whatever becomes of the broker and of the way to it, each sale is counted once and nobody has to help; in MQTT
// 3.1.1 and in MQTT 5.
// Method: a real Mosquitto, killed with SIGKILL while it holds what it acknowledged; a way to it that swallows bytes.
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '../../../foundation/clock.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { ChaosProxy } from '../../faults/chaos-proxy.ts';
import { topicsOf } from '../../../sync/contract/topics.ts';
import { keptLog } from './selling-till.ts';
import { onServices } from './services.ts';
import { TENANT, WorkersWorld, whatIsWrong, ports, putRules } from './workers-world.ts';

const LONG = 60_000;
const WAIT = { timeout: 30_000, interval: 20 };
/** As a strict broker: nobody may publish the journal of the till named "muted", nor hear the receipts of "deaf". */
const services = onServices((folder) => [
  'allow_anonymous true',
  'persistence true',
  `persistence_location ${folder}/`,
  'autosave_interval 1800',
  `acl_file ${writeAcl(folder)}`,
]);
const open: WorkersWorld[] = [];
afterEach(async () => {
  for (const world of open.splice(0)) await world.close();
});

let folderOfBroker = '';

/** "deny" beats what is allowed (mosquitto.conf(5), acl_file). */
function writeAcl(folder: string): string {
  folderOfBroker = folder;
  const path = join(folder, 'acl');
  const root = topicsOf(TENANT).feedHead.replace('feed/head', '');
  writeFileSync(path, `topic readwrite #\ntopic deny ${root}muted/#\n`);
  return path;
}

async function openWorld(protocolVersion: 4 | 5): Promise<WorkersWorld> {
  const world = new WorkersWorld({
    folder: services.folder,
    databaseUrl: services.databaseUrl(),
    brokerPort: services.broker().port,
    broker: { protocolVersion },
  });
  open.push(world);
  await putRules(await world.database());
  return world;
}

/** A way to the broker with a weather of its own. */
async function wayToBroker(): Promise<ChaosProxy> {
  const way = await ChaosProxy.open(services.broker().port, {
    clock: ports.clock,
    random: new SeededRandom(5),
  });
  onTestFinished(() => way.close());
  return way;
}

const through = ({ port }: ChaosProxy): { readonly url: string } => ({ url: `mqtt://127.0.0.1:${port}` });

let names = 0;
const newName = (): string => `till-${(names += 1)}`;

describe.each([4, 5] as const)('MQTT version %s', (protocolVersion) => {
  test(
    'what a killed broker had acknowledged is sent again, and counted once',
    { timeout: LONG },
    async () => {
      const world = await openWorld(protocolVersion);
      const name = newName();
      const { log, lines } = keptLog();
      const acknowledged = (): number =>
        lines.filter(({ event, outcome }) => event === 'upload.published' && outcome === 'sent').length;
      // The server cannot be reached any more, but the broker does not know that yet.
      const way = await wayToBroker();
      await world.server('one', { broker: through(way) });
      const till = await world.till(name, { log });
      till.sell(10);
      await till.confirmed();
      way.set('half-open');
      const before = acknowledged();
      till.sell(10);
      await vi.waitFor(() => expect(acknowledged()).toBeGreaterThan(before + 1), WAIT);
      expect(till.journal.confirmedSeq).toBe(10);
      await services.broker().stop();
      way.set('fair');
      await services.broker().start();
      await till.confirmed();
      expect(await whatIsWrong(await world.database(), [till])).toEqual([]);
    },
  );

  test(
    'a way that swallows all bytes is given up after one and a half keepalives, and made anew',
    { timeout: LONG },
    async () => {
      const world = await openWorld(protocolVersion);
      await world.server('one');
      const way = await wayToBroker();
      const { log, lines } = keptLog();
      const till = await world.till(newName(), { log, broker: { ...through(way), keepaliveSeconds: 1 } });
      till.sell(5);
      await till.confirmed();
      way.set('half-open');
      till.sell(5);
      await vi.waitFor(
        () => expect(lines).toContainEqual(expect.objectContaining({ event: 'bus.lost' })),
        WAIT,
      );
      // No word came from the other side: it is this side that gave up.
      expect(lines.find(({ event }) => event === 'bus.lost')).toMatchObject({ reason: 'Keepalive timeout' });
      way.set('fair');
      await till.confirmed();
      expect(await whatIsWrong(await world.database(), [till])).toEqual([]);
    },
  );

  test('bytes that get lost on the way break the connection, never a sale', { timeout: LONG }, async () => {
    const world = await openWorld(protocolVersion);
    const [near, far] = [await wayToBroker(), await wayToBroker()];
    // Where a length is torn, each end waits for bytes that do not come: the keepalive ends that.
    const impatient = { publishTimeoutMs: 500, keepaliveSeconds: 1 };
    await world.server('one', { broker: { ...through(far), ...impatient } });
    const tills = await Promise.all(
      [1, 2].map(() => world.till(newName(), { broker: { ...through(near), ...impatient } })),
    );
    for (let i = 0; i < 6; i += 1) {
      for (const till of tills) till.sell(5);
      for (const way of [near, far]) way.set('lossy');
      await sleep(ports.clock, 250);
      for (const way of [near, far]) way.set('fair');
    }
    await Promise.all(tills.map((till) => till.confirmed()));
    expect(await whatIsWrong(await world.database(), tills)).toEqual([]);
  });

  test(
    'a till the broker keeps from publishing says so, and sells on; allowed, it sends all of it',
    { timeout: LONG },
    async () => {
      const world = await openWorld(protocolVersion);
      await world.server('one');
      const { log, lines } = keptLog();
      const till = await world.till('muted', { log });
      till.sell(5);
      await vi.waitFor(() => expect(till.link.status.upload.unanswered).toBe(true), WAIT);
      // MQTT 3.1.1 has no word for it: the broker acknowledges what it drops.
      const told = lines.filter(({ event }) => event === 'upload.unanswered');
      expect(told).toMatchObject([
        { level: 'error', code: protocolVersion === 4 ? 'JRN_UNANSWERED' : 'BUS_FORBIDDEN' },
      ]);
      expect(till.link.status.connected).toBe(true);
      till.sell(5);
      const path = join(folderOfBroker, 'acl');
      writeFileSync(path, 'topic readwrite #\n');
      await services.broker().stop();
      await services.broker().start();
      await till.confirmed();
      expect(till.link.status.upload.unanswered).toBe(false);
      expect(lines.filter(({ event }) => event === 'upload.unanswered')).toHaveLength(1);
      expect(await whatIsWrong(await world.database(), [till])).toEqual([]);
      writeAcl(folderOfBroker);
      await services.broker().stop();
      await services.broker().start();
    },
  );
});
