// Goal: a till whose disk was copied or restored begins anew without losing anything it has, wherever that is interrupted.
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { RETENTION_MS } from '../../../edge/journal/journal.ts';
import { rejoin } from '../../../edge/journal/rejoin.ts';
import type { Rejoining } from '../../../edge/journal/rejoin.ts';
import { Sales } from '../../../edge/sale/sales.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { genesisHash } from '../../../sync/contract/journal-entry.ts';
import type { JournalEntry } from '../../../sync/contract/journal-entry.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { DiskModel, traceChild } from './disk-trace.ts';
import { KEY, completedSale, openJournal, quickFolder } from './journal-fixture.ts';
import { needStrace } from './need-strace.ts';

const identity = ({ id, at, body }: JournalEntry): object => ({ id, at, body });

function rejoinIn(folder: string, till = 'till-1', really = true, seed = 31): Promise<Rejoining> {
  const ports = { clock: new ManualClock(), random: new SeededRandom(seed), log: silentLog };
  return rejoin({ file: join(folder, 'journal.db'), key: KEY, till, ...ports }, really);
}

async function filled(
  count: number,
): Promise<{ readonly folder: string; readonly entries: readonly JournalEntry[] }> {
  const folder = quickFolder(onTestFinished);
  const journal = await openJournal(folder);
  for (let i = 0; i < count; i += 1) journal.append(completedSale());
  journal.confirm(Math.floor(count / 2), new ManualClock().now());
  const entries = journal.read(0, count);
  journal.nextSession();
  journal.obeyed('command', 7);
  journal.obeyed('urgent', 9);
  await journal.close();
  return { folder, entries };
}

test('every entry is there again with its id, time and text, unconfirmed, under another incarnation', async () => {
  const { folder, entries } = await filled(100);
  const plan = await rejoinIn(folder, 'till-1', false);
  expect(plan).toMatchObject({ entries: 100, openSales: 0 });
  expect(readdirSync(folder)).toEqual(['journal.db']);

  const done = await rejoinIn(folder);
  const journal = await openJournal(folder);
  expect(journal.owner).toEqual(done.to);
  expect(done.to.incarnation).not.toBe(done.from.incarnation);
  expect([journal.lastSeq, journal.confirmedSeq, journal.verify()]).toEqual([100, 0, 100]);
  expect(journal.read(0, 200).map(identity)).toEqual(entries.map(identity));
  expect(journal.read(0, 1)[0]?.prevHash).toBe(genesisHash(done.to));
  // What the server ordered, and the sessions it has seen, are not done again.
  expect([journal.nextSession(), journal.last('command'), journal.last('urgent')]).toEqual([2, 7, 9]);
  await journal.close();

  const kept = await openJournal(folder, { file: done.kept });
  expect(kept.owner).toEqual(done.from);
  expect(kept.read(0, 200)).toEqual(entries);
  await kept.close();
});

test('a journal whose beginning is gone is entered anew from where it begins', async () => {
  const folder = quickFolder(onTestFinished);
  const clock = new ManualClock();
  const journal = await openJournal(folder, { clock });
  for (let i = 0; i < 6; i += 1) journal.append(completedSale(clock));
  journal.confirm(4, clock.now());
  await clock.advance(RETENTION_MS);
  journal.confirm(4, clock.now());
  expect(journal.removeOld()).toBe(4);
  const entries = journal.read(0, 10);
  await journal.close();
  await rejoinIn(folder);
  const again = await openJournal(folder);
  expect(again.read(0, 10).map(({ seq }) => seq)).toEqual([1, 2]);
  expect(again.read(0, 10).map(identity)).toEqual(entries.map(identity));
  await again.close();
});

test('a copy becomes the journal of another till', async () => {
  const { folder, entries } = await filled(3);
  const done = await rejoinIn(folder, 'till-2');
  expect([done.from.till, done.to.till]).toEqual(['till-1', 'till-2']);
  await expect(openJournal(folder)).rejects.toThrow(expect.objectContaining({ code: 'JRN_CORRUPT' }));
  const journal = await openJournal(folder, { till: 'till-2' });
  expect(journal.read(0, 10).map(identity)).toEqual(entries.map(identity));
  await journal.close();
});

test('what was given out without the server counts on', async () => {
  const { folder } = await filled(0);
  const limits = { perCustomer: 500, perTill: 900, byTrust: { L0: 0, L1: 0, L2: 0, L3: 0, L4: 500 } };
  const allowance = { till: 'till-1', version: 3, ...limits, validUntil: 9_000_000_000_000 };
  const journal = await openJournal(folder);
  journal.allowances.replace(allowance);
  journal.append(completedSale());
  const { seq } = journal.append(completedSale());
  const use = {
    redemptionId: '0197a000-0000-7000-8000-0000000000aa',
    customerId: 'c1',
    points: 500,
    version: 3,
  };
  journal.allowances.note(use, seq);
  await journal.close();

  await rejoinIn(folder);
  const again = await openJournal(folder);
  expect(again.allowances.current()).toEqual(allowance);
  expect(again.allowances.used('c1', 3)).toEqual({ ofCustomer: 500, ofAll: 500 });
  // Also under the next allowance, until the server has the sale.
  expect(again.allowances.used('c1', 4).ofAll).toBe(500);
  again.confirm(seq, new ManualClock().now());
  expect(again.allowances.used('c1', 4).ofAll).toBe(0);
  await again.close();

  await rejoinIn(folder, 'till-2', true, 32);
  const other = await openJournal(folder, { till: 'till-2' });
  expect([other.allowances.current(), other.allowances.used('c1', 3).ofAll]).toEqual([undefined, 500]);
  await other.close();
});

test('the journal stays the daemon’s, whoever says the command', async (context) => {
  if (process.geteuid?.() !== 0) context.skip('needs root');
  const { folder } = await filled(3);
  const file = join(folder, 'journal.db');
  chownSync(file, 65_534, 65_534);
  chmodSync(file, 0o600);
  const { kept } = await rejoinIn(folder);
  for (const each of [file, kept])
    expect(statSync(each)).toMatchObject({ uid: 65_534, gid: 65_534, mode: 0o100600 });
});

test('open sales stay open, and closed ones answer as before', async () => {
  const folder = quickFolder(onTestFinished);
  const clock = new ManualClock();
  const salesOf = (store: ConstructorParameters<typeof Sales>[0]['store']): Sales =>
    new Sales({
      store,
      rules: () => ({ programme: undefined, offers: [], stale: false }),
      clock,
      random: new SeededRandom(4),
      log: silentLog,
      storeId: 'store-1',
      currency: 'EUR',
    });
  const journal = await openJournal(folder);
  const before = salesOf(journal.openSales);
  const [done, open, undone] = [before.open({}), before.open({}), before.open({})];
  before.complete(done.saleId);
  before.complete(undone.saleId);
  before.void(undone.saleId);
  const [doneView, openView, undoneView] = [done, open, undone].map(({ saleId }) => before.view(saleId));
  await journal.close();

  await rejoinIn(folder);
  const again = await openJournal(folder, { random: new SeededRandom(9) });
  const after = salesOf(again.openSales);
  const hashAt = (seq: number): string => again.hashAt(seq) ?? '';
  expect(after.view(open.saleId)).toEqual(openView);
  expect(after.complete(done.saleId)).toEqual({
    ...doneView,
    entry: { ...doneView?.entry, hash: hashAt(1) },
  });
  expect(after.void(undone.saleId)).toEqual({
    ...undoneView,
    entry: { ...undoneView?.entry, hash: hashAt(3) },
  });
  expect(again.lastSeq).toBe(3);
  // The void names the entry by the id that it keeps.
  const voided = after.void(done.saleId);
  expect(voided.status).toBe('voided');
  expect(again.read(3, 1)[0]?.body).toContain(`"completed":"${doneView?.entry?.id}"`);
  await again.close();
});

test(
  'interrupted anywhere, the journal is the one or the other, whole, and rejoining goes on',
  { timeout: 60_000 },
  async (context) => {
    needStrace(context);
    const { folder, entries } = await filled(4);
    const initial = new Map([['journal.db', readFileSync(join(folder, 'journal.db'))]]);
    const steps = traceChild(new URL('./rejoin-child.ts', import.meta.url), folder);
    expect(steps.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['link', 'rename', 'sync-folder']));

    const disk = new DiskModel(initial);
    const root = quickFolder(onTestFinished);
    const random = new SeededRandom(2);
    const incarnations = new Set<string>();
    for (const [i, step] of steps.entries()) {
      disk.take(step);
      for (const [n, state] of [disk.killed(), disk.powerCut(), disk.torn(random)].entries()) {
        const place = join(root, `${i}-${n}`);
        mkdirSync(place);
        for (const [name, content] of state) writeFileSync(join(place, name), content);
        const found = await openJournal(place);
        incarnations.add(found.owner.incarnation);
        expect(found.read(0, 10).map(identity)).toEqual(entries.map(identity));
        await found.close();
        rmSync(place, { recursive: true });
      }
    }
    expect(incarnations.size).toBe(2);
    const ended = join(root, 'ended');
    mkdirSync(ended);
    for (const [name, content] of disk.powerCut()) writeFileSync(join(ended, name), content);
    const after = await openJournal(ended);
    // What was said to be done is done, whatever happens to the power.
    expect(after.owner.incarnation).toBe([...incarnations].at(-1));
    await after.close();
    // From the very middle it goes on.
    const middle = join(root, 'middle');
    mkdirSync(middle);
    const half = new DiskModel(initial);
    for (const step of steps.slice(0, steps.findIndex(({ kind }) => kind === 'link') + 1)) half.take(step);
    for (const [name, content] of half.killed()) writeFileSync(join(middle, name), content);
    await rejoinIn(middle);
    const whole = await openJournal(middle);
    expect(whole.read(0, 10).map(identity)).toEqual(entries.map(identity));
    await whole.close();
  },
);
