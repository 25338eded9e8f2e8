import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Log, LogFields } from '../../foundation/log.ts';
import { silentLog } from '../../foundation/log.ts';
import { SeededRandom } from '../../foundation/random.ts';
import type { Receipt } from '../../sync/contract/messages.ts';
import { JournalUpload } from '../../sync/journal-upload.ts';
import { MemoryBroker } from '../../sync/mqtt/memory-broker.ts';
import { MemoryBus } from '../../sync/mqtt/memory-bus.ts';
import { StatementReader } from '../../sync/statement-reader.ts';
import type { UploadLimits } from '../../sync/upload-window.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { MemoryJournal, OWNER } from './support/memory-journal.ts';
import { ModelServer, keys, topics } from './support/model-server.ts';

// Goal: whatever bus and server do, an entry is confirmed only when the server has it, and in the end it has each once.

const LIMITS: UploadLimits = {
  windowBatches: 3,
  batchEntries: 5,
  batchChars: 100_000,
  resend: { firstMs: 10_000, maxMs: 80_000 },
  holeGraceMs: 1_000,
};

class World {
  readonly clock: ManualClock;
  readonly broker: MemoryBroker;
  readonly server: ModelServer;
  readonly journal: MemoryJournal;
  readonly reader: StatementReader;
  readonly upload: JournalUpload;
  readonly bus: MemoryBus;
  readonly errors: LogFields[];

  private constructor(
    parts: Pick<World, 'clock' | 'broker' | 'server' | 'journal' | 'reader' | 'upload' | 'bus' | 'errors'>,
  ) {
    this.clock = parts.clock;
    this.broker = parts.broker;
    this.server = parts.server;
    this.journal = parts.journal;
    this.reader = parts.reader;
    this.upload = parts.upload;
    this.bus = parts.bus;
    this.errors = parts.errors;
  }

  static async open(
    options: { entries?: number; journal?: MemoryJournal; limits?: Partial<UploadLimits> } = {},
  ): Promise<World> {
    const journal = options.journal ?? new MemoryJournal();
    journal.append(options.entries ?? 0);
    const clock = new ManualClock();
    const broker = new MemoryBroker({ clock, log: silentLog });
    const server = await ModelServer.open(broker, clock, OWNER);
    const errors: LogFields[] = [];
    const log: Log = { ...silentLog, error: (fields) => void errors.push(fields) };
    const reader = new StatementReader({ till: OWNER.till, publicKey: keys.publicKey, clock, log });
    const upload = new JournalUpload({
      journal,
      topics,
      reader,
      clock,
      random: new SeededRandom(1),
      log,
      limits: { ...LIMITS, ...options.limits },
    });
    const bus = await MemoryBus.open(broker, { clock, log, subscriptions: upload.subscriptions });
    await settle();
    // The one rule that must hold at every moment.
    journal.onConfirm = (upToSeq) => {
      if (upToSeq > server.contiguous) errors.push({ event: 'test.confirmed-too-early', upToSeq });
    };
    return new World({ clock, broker, server, journal, reader, upload, bus, errors });
  }

  start(): this {
    this.upload.start(this.bus);
    return this;
  }

  /** Lets everything happen that needs no time. */
  async calm(): Promise<void> {
    for (let i = 0; i < 20; i += 1) await settle();
  }

  append(count: number): void {
    this.journal.append(count);
    this.upload.notify();
  }

  receipt(fields: Partial<Receipt>): void {
    this.server.send('receipt', {
      incarnation: OWNER.incarnation,
      contiguous: 0,
      hash: null,
      holes: [],
      verdicts: [],
      serverTime: Math.floor(this.clock.now()),
      ...fields,
    });
  }
}

describe('carrying the journal to the server', () => {
  test('every entry arrives once and is confirmed', async () => {
    const world = (await World.open({ entries: 23 })).start();
    await world.clock.advance(0);
    world.append(4);
    await world.clock.advance(0);
    expect(world.journal.confirmedSeq).toBe(27);
    expect([...world.server.rows.values()]).toEqual(world.journal.entries);
    expect(world.upload.status).toMatchObject({ state: 'uploading', confirmedSeq: 27, unconfirmed: 0 });
    await world.upload.close();
  });

  test('what the broker took is not confirmed before the server’s receipt', async () => {
    const world = await World.open({ entries: 3 });
    // Behind the broker everything is lost: each publish is `sent`, and no one ever sees it.
    world.broker.fate = ({ leg }) => (leg === 'up' ? [0] : []);
    world.start();
    await world.clock.advance(600_000);
    expect(world.journal.confirmations).toEqual([]);
    world.broker.heal();
    await world.clock.advance(100_000);
    expect(world.journal.confirmedSeq).toBe(3);
    await world.upload.close();
  });

  test('a receipt with another hash confirms nothing, stops the upload and raises the alarm', async () => {
    const world = (await World.open({ entries: 3 })).start();
    world.server.mute = true;
    await world.clock.advance(0);
    world.receipt({ contiguous: 2, hash: 'a'.repeat(64) });
    await world.clock.advance(0);
    expect(world.journal.confirmations).toEqual([]);
    expect(world.upload.status).toMatchObject({ state: 'diverged', divergence: 'hash', unconfirmed: 3 });
    expect(world.errors).toContainEqual(expect.objectContaining({ code: 'JRN_DIVERGED', seq: 2 }));
    const sent = world.server.batches.length;
    world.server.mute = false;
    world.append(1);
    await world.clock.advance(600_000);
    expect(world.server.batches).toHaveLength(sent);
    await world.upload.close();
  });

  test('a server that has more than this journal ever had is a divergence', async () => {
    const world = (await World.open({ entries: 3 })).start();
    world.server.mute = true;
    world.receipt({ contiguous: 9, hash: 'a'.repeat(64) });
    await world.clock.advance(0);
    expect(world.upload.status).toMatchObject({ state: 'diverged', divergence: 'ahead' });
    await world.upload.close();
  });

  test('a till restored from an image stops when the server knows another entry under its number', async () => {
    const first = (await World.open({ entries: 5 })).start();
    await first.clock.advance(0);
    await first.upload.close();
    const restored = new MemoryJournal();
    restored.append(2);
    restored.confirmedSeq = 2;
    restored.append(3, 'store-2');
    const world = await World.open({ journal: restored });
    world.server.rows = first.server.rows;
    world.start();
    await world.clock.advance(0);
    expect(world.upload.status).toMatchObject({ state: 'diverged', divergence: 'hash', conflicts: 3 });
    expect(restored.confirmedSeq).toBe(2);
    await world.upload.close();
  });

  test('an entry that is quarantined although all before it stands raises the alarm, and is not sent for ever', async () => {
    const world = (await World.open({ entries: 3 })).start();
    world.server.mute = true;
    await world.clock.advance(0);
    const [, second] = world.journal.entries;
    world.receipt({
      contiguous: 2,
      hash: second?.hash ?? null,
      verdicts: [{ seq: 3, verdict: 'conflict', code: 'LEDGER_CHAIN' }],
    });
    await world.clock.advance(0);
    expect(world.journal.confirmedSeq).toBe(2);
    expect(world.upload.status).toMatchObject({ state: 'diverged', divergence: 'quarantined', conflicts: 1 });
    expect(world.errors).toContainEqual(expect.objectContaining({ code: 'JRN_DIVERGED', seq: 3 }));
    const sent = world.server.batches.length;
    await world.clock.advance(600_000);
    expect(world.server.batches).toHaveLength(sent);
    await world.upload.close();
  });

  test('a receipt for another incarnation is counted and changes nothing', async () => {
    const world = (await World.open({ entries: 3 })).start();
    world.server.mute = true;
    world.receipt({
      incarnation: '0190f8a0-0000-7000-8000-00000000000f',
      contiguous: 2,
      hash: 'a'.repeat(64),
    });
    await world.clock.advance(0);
    expect(world.upload.status.state).toBe('uploading');
    expect(world.reader.rejected).toEqual({ WIRE_FOREIGN: 1 });
    await world.upload.close();
  });

  test('garbage on the receipt topic is counted and changes nothing', async () => {
    const world = (await World.open({ entries: 3 })).start();
    await world.server.bus.publish(topics.receipt(OWNER.till), Buffer.from('garbage'), { qos: 1 });
    await world.clock.advance(0);
    expect(world.journal.confirmedSeq).toBe(3);
    expect(world.reader.rejected).toEqual({ WIRE_MALFORMED: 1 });
    await world.upload.close();
  });

  test('a batch lost on the way is sent again as soon as the server reports the hole', async () => {
    const world = await World.open({ entries: 10 });
    let lost = 0;
    world.broker.fate = ({ leg, topic }) =>
      leg === 'up' && topic === topics.journal(OWNER.till) && (lost += 1) === 1 ? [] : [0];
    world.start();
    await world.clock.advance(0);
    expect(world.journal.confirmedSeq).toBe(0);
    await world.clock.advance(LIMITS.holeGraceMs);
    expect(world.journal.confirmedSeq).toBe(10);
    expect(world.server.batches.map((batch) => batch.entries[0]?.seq)).toEqual([6, 1]);
    await world.upload.close();
  });

  test('a server that never answers is asked ever more rarely, with one batch at a time', async () => {
    const world = (await World.open({ entries: 100 })).start();
    world.server.mute = true;
    await world.clock.advance(0);
    expect(world.server.batches).toHaveLength(LIMITS.windowBatches);
    await world.clock.advance(3_600_000);
    // Waits of 40 to 80 s each, once they have grown.
    expect(world.server.batches.length).toBeGreaterThan(45);
    expect(world.server.batches.length).toBeLessThan(100);
    expect(new Set(world.server.batches.slice(LIMITS.windowBatches).map((b) => b.entries[0]?.seq))).toEqual(
      new Set([1]),
    );
    world.server.mute = false;
    await world.clock.advance(80_000);
    await world.calm();
    expect(world.journal.confirmedSeq).toBe(100);
    await world.upload.close();
  });

  test('that nobody answers is told once, with a code, until somebody does', async () => {
    const world = (await World.open({ entries: 10 })).start();
    const told = (): unknown[] =>
      world.errors.filter(({ event }) => event === 'upload.unanswered').map(({ code }) => code);
    world.server.mute = true;
    await world.clock.advance(LIMITS.resend.firstMs);
    // A server that is started anew takes as long.
    expect(told()).toEqual([]);
    expect(world.upload.status.unanswered).toBe(false);
    await world.clock.advance(3_600_000);
    expect(told()).toEqual(['JRN_UNANSWERED']);
    expect(world.upload.status).toMatchObject({ unanswered: true, unconfirmed: 10, state: 'uploading' });
    world.server.mute = false;
    await world.clock.advance(80_000);
    await world.calm();
    expect(world.upload.status).toMatchObject({ unanswered: false, unconfirmed: 0 });
    await world.upload.close();
  });

  test('while the bus is away nothing is told of it: there is nobody to answer', async () => {
    const world = (await World.open({ entries: 10 })).start();
    world.broker.stop();
    await world.clock.advance(3_600_000);
    expect(world.errors.filter(({ event }) => event === 'upload.unanswered')).toEqual([]);
    await world.upload.close();
  });

  test('asked what it still has, a server that lost entries gets them at once', async () => {
    const world = (await World.open({ entries: 100 })).start();
    await world.calm();
    expect(world.journal.confirmedSeq).toBe(100);
    world.server.restoreBackup(40);
    world.upload.ask();
    await world.calm();
    expect(world.server.rows.size).toBe(100);
    await world.upload.close();
  });

  test('while the bus is away nothing is sent, and after it everything is', async () => {
    const world = (await World.open({ entries: 1 })).start();
    await world.clock.advance(0);
    world.bus.unplug();
    world.append(20);
    await world.clock.advance(3_600_000);
    expect(world.journal.confirmedSeq).toBe(1);
    expect(world.clock.pending).toBe(0);
    world.bus.replug();
    await world.clock.advance(0);
    expect(world.journal.confirmedSeq).toBe(21);
    await world.upload.close();
  });

  test('a server restored from a backup gets back what it lost, as soon as the till connects again', async () => {
    const world = (await World.open({ entries: 30 })).start();
    await world.clock.advance(0);
    expect(world.journal.confirmedSeq).toBe(30);
    world.server.restoreBackup(12);
    await world.clock.advance(60_000);
    world.bus.unplug();
    world.bus.replug();
    await world.clock.advance(60_000);
    expect(world.server.contiguous).toBe(30);
    expect(world.journal.confirmedSeq).toBe(30);
    expect(world.journal.confirmations.toSorted((a, b) => a - b)).toEqual(world.journal.confirmations);
    await world.upload.close();
  });

  test('… also when its clock was a day ahead before', async () => {
    const world = (await World.open({ entries: 20 })).start();
    await world.clock.advance(0);
    const { incarnation } = world.journal.owner;
    const hash = world.journal.hashAt(20) ?? null;
    const serverTime = world.clock.now() + 86_400_000;
    world.server.send('receipt', { incarnation, contiguous: 20, hash, holes: [], verdicts: [], serverTime });
    await world.clock.advance(1_000);
    world.server.restoreBackup(10);
    world.bus.unplug();
    world.bus.replug();
    world.append(3);
    await world.clock.advance(60_000);
    expect([world.server.contiguous, world.journal.confirmedSeq]).toEqual([23, 23]);
    await world.upload.close();
  });

  test('a command to send again is followed although all was confirmed', async () => {
    const world = (await World.open({ entries: 30 })).start();
    await world.clock.advance(0);
    world.server.restoreBackup(3);
    world.upload.resendAfter(3);
    await world.clock.advance(0);
    expect(world.server.contiguous).toBe(30);
    await world.upload.close();
  });

  test('a server that lacks what the journal no longer keeps is a divergence', async () => {
    const world = (await World.open({ entries: 30 })).start();
    await world.clock.advance(0);
    world.journal.prunedSeq = 20;
    world.server.restoreBackup(12);
    await world.clock.advance(1_000);
    world.append(1);
    await world.clock.advance(0);
    expect(world.upload.status).toMatchObject({ state: 'diverged', divergence: 'pruned' });
    await world.upload.close();
  });

  test.for([
    ['with the next connection', true],
    ['without one', false],
  ] as const)('a server that was another for a while is gone on with, %s', async ([, connectsAnew]) => {
    const world = (await World.open({ entries: 30 })).start();
    await world.clock.advance(0);
    world.journal.prunedSeq = 20;
    const right = new Map(world.server.rows);
    world.server.rows = new Map();
    world.bus.unplug();
    world.bus.replug();
    await world.clock.advance(1_000);
    world.append(2);
    await world.clock.advance(30_000);
    expect(world.upload.status).toMatchObject({ divergence: 'pruned', unconfirmed: 2 });
    // Asked now and then, and not all the time.
    const asked = world.server.batches.length;
    await world.clock.advance(1_000);
    expect(world.server.batches.length - asked).toBeLessThanOrEqual(1);
    world.server.rows = right;
    if (connectsAnew) {
      world.bus.unplug();
      world.bus.replug();
    }
    await world.clock.advance(connectsAnew ? 100 : 100_000);
    expect(world.upload.status).toMatchObject({ state: 'uploading', divergence: null, unconfirmed: 0 });
    expect(world.server.contiguous).toBe(32);
    await world.upload.close();
  });

  test('what the disk does not take note of is not sent again, and the rest goes on', async () => {
    const world = await World.open({ entries: 40 });
    const checked = world.journal.onConfirm;
    world.journal.onConfirm = () => {
      throw new Error('no space is left');
    };
    world.start();
    await world.clock.advance(0);
    world.append(5);
    await world.clock.advance(1_000);
    expect(world.server.contiguous).toBe(45);
    expect([...world.server.commits.values()].every((times) => times === 1)).toBe(true);
    expect(world.upload.status.unconfirmed).toBe(45);
    expect(world.errors).toMatchObject([{ event: 'upload.unmarked' }]);
    world.journal.onConfirm = checked;
    await world.clock.advance(100_000);
    expect(world.upload.status).toMatchObject({ state: 'uploading', unconfirmed: 0 });
    await world.upload.close();
  });

  test('a journal whose confirmed entries are gone is carried on', async () => {
    const journal = new MemoryJournal();
    journal.append(10);
    journal.confirmedSeq = 10;
    journal.prunedSeq = 10;
    const world = await World.open({ journal });
    for (const entry of journal.entries) world.server.rows.set(entry.seq, entry);
    world.start();
    world.append(3);
    await world.clock.advance(0);
    expect(journal.confirmedSeq).toBe(13);
    await world.upload.close();
  });

  test('a receipt that comes late does not make the till send everything again', async () => {
    const world = (await World.open({ entries: 12 })).start();
    const early = {
      contiguous: 5,
      hash: world.journal.hashAt(5) ?? null,
      serverTime: Math.floor(world.clock.now()),
    };
    await world.clock.advance(1_000);
    world.append(1);
    await world.clock.advance(0);
    const sent = world.server.batches.length;
    world.receipt(early);
    await world.clock.advance(0);
    expect(world.server.batches).toHaveLength(sent);
    expect(world.upload.status).toMatchObject({ state: 'uploading', confirmedSeq: 13 });
    await world.upload.close();
  });

  test('servers that contradict each other do not make the till send without end', async () => {
    const world = (await World.open({ entries: 10 })).start();
    await world.clock.advance(0);
    const sent = world.server.batches.length;
    for (let i = 0; i < 50; i += 1) {
      await world.clock.advance(10);
      world.receipt({ contiguous: 5, hash: world.journal.hashAt(5) ?? null });
      await world.clock.advance(0);
    }
    expect(world.server.batches.length - sent).toBeLessThan(5);
    await world.upload.close();
  });

  test('a refused entry is reported once, with its sequence and code', async () => {
    const world = (await World.open({ entries: 2 })).start();
    world.server.mute = true;
    await world.clock.advance(0);
    for (let i = 0; i < 3; i += 1) {
      world.receipt({
        verdicts: [
          { seq: 1, verdict: 'created' },
          { seq: 2, verdict: 'refused', code: 'LEDGER_CHAIN' },
        ],
      });
      await world.clock.advance(0);
    }
    expect(world.errors).toEqual([
      { event: 'upload.quarantined', seq: 2, verdict: 'refused', code: 'LEDGER_CHAIN' },
    ]);
    expect(world.upload.status).toMatchObject({ refused: 1, conflicts: 0 });
    await world.upload.close();
  });

  test('a batch holds no more characters than allowed, but always an entry', async () => {
    const world = await World.open({ entries: 6 });
    const bodyChars = world.journal.entries[0]?.body.length ?? 0;
    const tight = await World.open({ entries: 6, limits: { batchChars: 2 * bodyChars } });
    tight.start();
    await tight.clock.advance(0);
    expect(tight.server.batches.map((batch) => batch.entries.length)).toEqual([2, 2, 2]);
    const tiny = await World.open({ entries: 3, limits: { batchChars: 1 } });
    tiny.start();
    await tiny.clock.advance(0);
    expect(tiny.server.batches.map((batch) => batch.entries.length)).toEqual([1, 1, 1]);
    expect(tiny.journal.confirmedSeq).toBe(3);
    await Promise.all([tight.upload.close(), tiny.upload.close()]);
  });

  test('a journal that cannot be marked is tried again later, not at once', async () => {
    const world = (await World.open({ entries: 2 })).start();
    world.journal.onConfirm = () => {
      throw new Error('disk full');
    };
    await world.clock.advance(0);
    const sent = world.server.batches.length;
    for (let i = 0; i < 100; i += 1) world.upload.notify();
    await world.clock.advance(1_000);
    expect(world.server.batches).toHaveLength(sent);
    world.journal.onConfirm = () => {};
    await world.clock.advance(20_000);
    expect(world.journal.confirmedSeq).toBe(2);
    await world.upload.close();
  });

  test('closing while batches are under way ends the loop and leaves no timer', async () => {
    const world = (await World.open({ entries: 50 })).start();
    world.server.mute = true;
    await world.clock.advance(0);
    await world.upload.close();
    await world.bus.close();
    await world.clock.advance(0);
    world.append(1);
    await world.clock.advance(600_000);
    expect(world.server.batches).toHaveLength(LIMITS.windowBatches);
  });

  const fate = fc.oneof(
    { weight: 6, arbitrary: fc.constant([0]) },
    { weight: 2, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.constant([0, 0]) },
    { weight: 2, arbitrary: fc.array(fc.integer({ min: 0, max: 30_000 }), { minLength: 1, maxLength: 3 }) },
  );
  const kind = <K extends string>(what: K, max: number): fc.Arbitrary<{ do: K; n: number }> =>
    fc.record({ do: fc.constant(what), n: fc.integer({ min: 0, max }) });
  const troubles = [
    { weight: 4, arbitrary: kind('append', 12) },
    { weight: 4, arbitrary: kind('wait', 40_000) },
    { weight: 1, arbitrary: kind('unplug', 0) },
    { weight: 1, arbitrary: kind('replug', 0) },
    { weight: 1, arbitrary: kind('restart', 0) },
    { weight: 1, arbitrary: kind('receipt', 0) },
  ] as const;

  /** A world after a history of trouble, with everything healed and time to recover. */
  async function survive(
    fates: readonly (readonly number[])[],
    steps: readonly { do: string; n: number }[],
    prepare: (world: World) => void = () => {},
  ): Promise<World> {
    const world = (await World.open({ entries: 7 })).start();
    prepare(world);
    let passage = 0;
    world.broker.fate = () => fates[passage++ % fates.length] ?? [0];
    for (const { do: what, n } of steps) {
      if (what === 'append') world.append(n);
      else if (what === 'wait') await world.clock.advance(n);
      else if (what === 'unplug') world.bus.unplug();
      else if (what === 'replug') world.bus.replug();
      else if (what === 'receipt') world.server.sendReceipt();
      else if (what === 'backup') world.server.restoreBackup(n);
      else {
        world.broker.stop();
        world.broker.start();
      }
    }
    world.broker.heal();
    await world.clock.advance(400_000);
    world.bus.unplug();
    world.bus.replug();
    await world.clock.advance(400_000);
    await world.calm();
    return world;
  }

  /** What went wrong, but for what was said of a time in which nobody answered. */
  const alarms = ({ errors }: World): readonly LogFields[] =>
    errors.filter(({ event }) => event !== 'upload.unanswered');

  test('loss, duplicates, delays and outages in any order: in the end each entry is there once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fate, { minLength: 1, maxLength: 40 }),
        fc.array(fc.oneof(...troubles), { maxLength: 15 }),
        async (fates, steps) => {
          const world = await survive(fates, steps);
          expect(alarms(world)).toEqual([]);
          expect(world.journal.confirmedSeq).toBe(world.journal.lastSeq);
          const rows = [...world.server.rows.values()].toSorted((a, b) => a.seq - b.seq);
          expect(rows).toEqual(world.journal.entries);
          expect(new Set(world.server.commits.values())).toEqual(new Set([1]));
          await world.upload.close();
        },
      ),
      { numRuns: 100 },
    );
  });

  test('backups restored among all that: in the end the server has everything again', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fate, { minLength: 1, maxLength: 40 }),
        fc.array(fc.oneof(...troubles, { weight: 1, arbitrary: kind('backup', 10) }), { maxLength: 15 }),
        async (fates, steps) => {
          const world = await survive(fates, steps, ({ journal }) => {
            // A receipt from before the restore may confirm what the restored server lacks: the till keeps it.
            journal.onConfirm = () => {};
          });
          expect(alarms(world)).toEqual([]);
          expect(world.server.contiguous).toBe(world.journal.lastSeq);
          expect(world.journal.confirmations.toSorted((a, b) => a - b)).toEqual(world.journal.confirmations);
          await world.upload.close();
        },
      ),
      { numRuns: 100 },
    );
  });
});
