// Goal: what `append` returned stays, in order and unchanged, and nothing else is ever taken for a journal.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3-multiple-ciphers';
import { describe, expect, onTestFinished, test } from 'vitest';
import { RETENTION_MS } from '../../../edge/journal/journal.ts';
import { entryHash, genesisHash } from '../../../sync/contract/journal-entry.ts';
import { Transaction } from '../../../sync/contract/transaction.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import { KEY, completedSale, openJournal, temporaryFolder } from './journal-fixture.ts';

/** What the server says the time is. */
const NOW = new ManualClock().now();
const folderOfTest = (): string => temporaryFolder(onTestFinished);
const code = (expected: string): unknown => expect.objectContaining({ code: expected });

/** The file as an intruder with the key would have it. */
function rawDatabase(folder: string): Database.Database {
  const file = join(folder, 'journal.db');
  const database = new Database(file);
  const mark = readFileSync(file).subarray(0, 16).toString('hex');
  database.pragma("cipher='aegis'");
  database.pragma(`key='raw:${KEY.toString('hex')}${mark}'`);
  return database;
}

describe('appending', () => {
  test('entries are dense, chained from the genesis, and read back as they were sealed', async () => {
    const journal = await openJournal(folderOfTest());
    const sent = [1, 2, 3, 4, 5].map(() => completedSale());
    const sealed = sent.map((transaction) => journal.append(transaction));
    expect(sealed.map((entry) => entry.seq)).toEqual([1, 2, 3, 4, 5]);
    expect(sealed[0]?.prevHash).toBe(genesisHash(journal.owner));
    expect(sealed.slice(1).map((entry) => entry.prevHash)).toEqual(
      sealed.slice(0, -1).map((entry) => entry.hash),
    );
    expect(journal.read(0, 10)).toEqual(sealed);
    expect(journal.read(2, 2)).toEqual(sealed.slice(2, 4));
    expect(journal.read(5, 10)).toEqual([]);
    expect(sealed.map((entry) => entryHash(entry))).toEqual(sealed.map((entry) => entry.hash));
    expect(journal.read(0, 5).map((entry) => Transaction.parse(JSON.parse(entry.body)))).toEqual(sent);
    expect(journal.hashAt(0)).toBe(genesisHash(journal.owner));
    expect(journal.hashAt(3)).toBe(sealed[2]?.hash);
    expect(journal.hashAt(6)).toBeUndefined();
    expect(journal.verify()).toBe(5);
    await journal.close();
  });

  test('a reopened journal is the same incarnation and goes on where it was', async () => {
    const folder = folderOfTest();
    const first = await openJournal(folder);
    first.append(completedSale());
    first.append(completedSale());
    first.confirm(1, NOW);
    await first.close();
    const second = await openJournal(folder, { random: new SeededRandom(99) });
    expect(second.owner).toEqual(first.owner);
    expect([second.lastSeq, second.confirmedSeq, second.unconfirmed]).toEqual([2, 1, 1]);
    expect(second.append(completedSale()).seq).toBe(3);
    expect(second.verify()).toBe(3);
    await second.close();
  });

  test('what is written within is there with the entry or not at all', async () => {
    const journal = await openJournal(folderOfTest());
    expect(() =>
      journal.append(completedSale(), () => {
        throw new Error('no');
      }),
    ).toThrow('no');
    expect([journal.lastSeq, journal.read(0, 10)]).toEqual([0, []]);
    expect(journal.append(completedSale()).seq).toBe(1);
    await journal.close();
  });

  test('the same sale is completed once, whatever the program believes', async () => {
    const journal = await openJournal(folderOfTest());
    const transaction = completedSale();
    journal.append(transaction);
    expect(() => journal.append(transaction)).toThrow('UNIQUE');
    expect([journal.lastSeq, journal.verify()]).toEqual([1, 1]);
    await journal.close();
  });

  test('listeners hear of each entry; one that throws does not make the writer believe it is lost', async () => {
    const journal = await openJournal(folderOfTest());
    const heard: number[] = [];
    const stop = journal.onAppended(() => heard.push(journal.lastSeq));
    journal.onAppended(() => {
      throw new Error('a listener’s mistake');
    });
    journal.append(completedSale());
    stop();
    journal.append(completedSale());
    expect([heard, journal.lastSeq]).toEqual([[1], 2]);
    await journal.close();
  });

  test('beyond the limit of unconfirmed entries it is full, until the server confirms', async () => {
    const journal = await openJournal(folderOfTest(), { unconfirmedMax: 2 });
    journal.append(completedSale());
    journal.append(completedSale());
    expect(() => journal.append(completedSale())).toThrow(code('JRN_FULL'));
    journal.confirm(1, NOW);
    expect(journal.append(completedSale()).seq).toBe(3);
    await journal.close();
  });
});

describe('confirming', () => {
  test('it never falls and never passes the last entry', async () => {
    const journal = await openJournal(folderOfTest());
    journal.append(completedSale());
    journal.append(completedSale());
    journal.confirm(2, NOW);
    journal.confirm(1, NOW);
    expect(journal.confirmedSeq).toBe(2);
    expect(() => journal.confirm(3, NOW)).toThrow('beyond the last entry');
    await journal.close();
  });
});

describe('retention', () => {
  test('only entries confirmed long ago by the server’s clock go, and the chain still verifies from its anchor', async () => {
    const folder = folderOfTest();
    const clock = new ManualClock();
    const journal = await openJournal(folder, { clock });
    for (let i = 0; i < 6; i += 1) journal.append(completedSale(clock));
    journal.confirm(4, clock.now());
    expect(journal.removeOld()).toBe(0);
    await clock.advance(RETENTION_MS);
    journal.append(completedSale(clock));
    journal.confirm(5, clock.now());
    const anchorHash = journal.hashAt(4);
    expect(journal.removeOld()).toBe(4);
    expect(journal.removeOld()).toBe(0);
    expect(journal.read(0, 10).map((entry) => entry.seq)).toEqual([5, 6, 7]);
    expect([journal.hashAt(4), journal.hashAt(3)]).toEqual([anchorHash, undefined]);
    expect(journal.verify()).toBe(3);
    await journal.close();
    const again = await openJournal(folder, { clock });
    expect([again.verify(), again.lastSeq]).toEqual([3, 7]);
    await again.close();
  });

  test('a journal whose entries are all gone goes on with the next number', async () => {
    const folder = folderOfTest();
    const clock = new ManualClock();
    const journal = await openJournal(folder, { clock });
    journal.append(completedSale(clock));
    const last = journal.append(completedSale(clock));
    journal.confirm(2, clock.now());
    await clock.advance(RETENTION_MS);
    journal.confirm(2, clock.now());
    expect(journal.removeOld()).toBe(2);
    await journal.close();
    const again = await openJournal(folder, { clock, random: new SeededRandom(5) });
    expect(again.append(completedSale(clock))).toMatchObject({ seq: 3, prevHash: last.hash });
    expect(again.verify()).toBe(1);
    await again.close();
  });

  test.each([
    ['a year ahead', 365 * 24 * 3_600_000],
    ['in 1970', -56 * 365 * 24 * 3_600_000],
  ])('a till whose clock was %s keeps the sales of today', async (_where, offMs) => {
    const clock = new ManualClock();
    const truth = clock.now();
    const journal = await openJournal(folderOfTest(), { clock });
    clock.setWallClock(truth + offMs);
    for (let i = 0; i < 3; i += 1) journal.append(completedSale(clock));
    journal.confirm(3, truth);
    expect(journal.removeOld()).toBe(0);
    clock.setWallClock(truth + 60_000);
    journal.confirm(3, truth + 60_000);
    expect(journal.removeOld()).toBe(0);
    await journal.close();
  });

  test('without a word of the server since the start nothing goes, however late it is', async () => {
    const folder = folderOfTest();
    const clock = new ManualClock();
    const first = await openJournal(folder, { clock });
    first.append(completedSale(clock));
    first.confirm(1, clock.now());
    await first.close();
    await clock.advance(10 * RETENTION_MS);
    const second = await openJournal(folder, { clock });
    expect(second.removeOld()).toBe(0);
    second.confirm(1, clock.now());
    expect(second.removeOld()).toBe(1);
    await second.close();
  });
});

describe('append-only', () => {
  async function filled(): Promise<string> {
    const folder = folderOfTest();
    const journal = await openJournal(folder);
    for (let i = 0; i < 3; i += 1) journal.append(completedSale());
    journal.confirm(2, NOW);
    await journal.close();
    return folder;
  }

  test.for([
    ['an update', "UPDATE entry SET body = '{}' WHERE seq = 2"],
    ['a deletion', 'DELETE FROM entry WHERE seq = 1'],
    ['a deletion of the last', 'DELETE FROM entry WHERE seq = 3'],
    ['a replacement', "INSERT OR REPLACE INTO entry VALUES(3, 'x', 1, 'p', '{}', 'h', 's', 'k')"],
    [
      'a hole',
      "INSERT INTO entry VALUES(5, 'x', 1, (SELECT hash FROM entry WHERE seq = 3), '{}', 'h', 's', 'k')",
    ],
    ['another chain', "INSERT INTO entry VALUES(4, 'x', 1, 'p', '{}', 'h', 's', 'k')"],
    ['an anchor past what is confirmed', 'UPDATE chain SET anchor_seq = 3'],
    ['another owner', "UPDATE chain SET till = 'till-2'"],
    ['a lowered confirmation', 'UPDATE chain SET confirmed_seq = 1'],
    ['a removal of the owner', 'DELETE FROM chain'],
  ] as const)('the file itself refuses %s', async ([, sql]) => {
    const database = rawDatabase(await filled());
    onTestFinished(() => void database.close());
    expect(() => database.exec(sql)).toThrow(/append-only|continue the chain|counters only grow|CHECK/);
  });

  test('an entry changed by someone who removed the guard is found by its number', async () => {
    const folder = await filled();
    const database = rawDatabase(folder);
    database.exec('DROP TRIGGER entry_is_never_changed');
    database.prepare("UPDATE entry SET body = replace(body, '100', '999') WHERE seq = 2").run();
    database.close();
    await expect(openJournal(folder)).rejects.toThrow(/entry 2 has another content.*JRN_CORRUPT/);
  });

  test('an entry taken out by someone who removed the guard is missed', async () => {
    const folder = await filled();
    const database = rawDatabase(folder);
    database.exec('DROP TRIGGER entry_is_kept; DELETE FROM entry WHERE seq = 2');
    database.close();
    await expect(openJournal(folder)).rejects.toThrow(/entry 2 is missing.*JRN_CORRUPT/);
  });
});

describe('opening', () => {
  test('another key is told apart from damage, and changes nothing', async () => {
    const folder = folderOfTest();
    const journal = await openJournal(folder);
    journal.append(completedSale());
    await journal.close();
    await expect(openJournal(folder, { key: Buffer.alloc(32, 8) })).rejects.toThrow(code('JRN_WRONG_KEY'));
    const again = await openJournal(folder);
    expect(again.lastSeq).toBe(1);
    await again.close();
  });

  test('the journal of another till is not continued', async () => {
    const folder = folderOfTest();
    await (await openJournal(folder)).close();
    await expect(openJournal(folder, { till: 'till-2' })).rejects.toThrow(/till-1.*JRN_CORRUPT/);
  });

  test('a journal in use is not opened twice', async () => {
    const folder = folderOfTest();
    const journal = await openJournal(folder);
    await expect(openJournal(folder)).rejects.toThrow(code('DATA_IN_USE'));
    await journal.close();
    await (await openJournal(folder)).close();
  });

  test.for([
    ['emptied', (file: string) => truncateSync(file, 0)],
    ['cut short', (file: string) => truncateSync(file, 10_000)],
    ['text', (file: string) => writeFileSync(file, 'x'.repeat(8192))],
    [
      'flipped in one bit',
      (file: string) => {
        const bytes = readFileSync(file);
        bytes[5_000] = (bytes[5_000] ?? 0) ^ 1;
        writeFileSync(file, bytes);
      },
    ],
    [
      'gone while its WAL is there',
      (file: string) => {
        writeFileSync(`${file}-wal`, 'x');
        rmSync(file);
      },
    ],
  ] as const)('a file that is %s is damage, never a beginning', async ([, damage]) => {
    const folder = folderOfTest();
    const journal = await openJournal(folder);
    for (let i = 0; i < 30; i += 1) journal.append(completedSale());
    await journal.close();
    damage(join(folder, 'journal.db'));
    await expect(openJournal(folder)).rejects.toThrow(code('JRN_CORRUPT'));
  });

  test('a beginning that was cut off is begun again', async () => {
    const folder = folderOfTest();
    writeFileSync(join(folder, 'journal.db.new'), 'half');
    writeFileSync(join(folder, 'journal.db.new-wal'), 'half');
    const journal = await openJournal(folder);
    expect(journal.append(completedSale()).seq).toBe(1);
    await journal.close();
    expect(existsSync(join(folder, 'journal.db.new'))).toBe(false);
  });

  test('a folder that is not there cannot be written', async () => {
    await expect(openJournal(join(folderOfTest(), 'absent'))).rejects.toThrow(code('DATA_UNWRITABLE'));
  });

  test('a folder in the place of the file cannot be used', async () => {
    const folder = folderOfTest();
    mkdirSync(join(folder, 'journal.db'));
    await expect(openJournal(folder)).rejects.toThrow(code('DATA_UNWRITABLE'));
  });

  test('nothing of a sale can be read in the files', async () => {
    const folder = folderOfTest();
    const journal = await openJournal(folder);
    journal.append(completedSale());
    copyFileSync(join(folder, 'journal.db-wal'), join(folder, 'copy'));
    for (const file of ['journal.db', 'copy']) {
      const text = readFileSync(join(folder, file)).toString('latin1');
      expect([text.includes('4006381333931'), text.includes('SQLite format')]).toEqual([false, false]);
    }
    await journal.close();
  });
});

describe('counters beside the entries', () => {
  test('sessions grow over restarts', async () => {
    const folder = folderOfTest();
    const first = await openJournal(folder);
    expect([first.nextSession(), first.nextSession()]).toEqual([1, 2]);
    await first.close();
    const second = await openJournal(folder);
    expect(second.nextSession()).toBe(3);
    await second.close();
  });

  test('the version of the last obeyed command never falls', async () => {
    const folder = folderOfTest();
    const first = await openJournal(folder);
    expect(first.last('command')).toBe(0);
    first.obeyed('command', 7);
    first.obeyed('command', 3);
    await first.close();
    const second = await openJournal(folder);
    expect(second.last('command')).toBe(7);
    await second.close();
  });
});

describe('points given out without the server', () => {
  test('under an id noted before count all the same', async () => {
    const journal = await openJournal(temporaryFolder(onTestFinished));
    onTestFinished(() => journal.close());
    for (const points of [30, 40]) {
      journal.append(completedSale(), ({ seq }) => {
        journal.allowances.note({ redemptionId: 'r1', customerId: 'c1', points, version: 1 }, seq);
      });
    }
    expect(journal.allowances.used('c1', 1)).toEqual({ ofCustomer: 70, ofAll: 70 });
    journal.confirm(1, 1);
    expect(journal.allowances.used('c1', 2).ofAll).toBe(70);
  });
});
