// Goal: an ordered wipe ends with nothing readable left, keys first, whatever happens to the power meanwhile.
// Method: a real process is killed after each step, the folder is looked at, and another process starts on it.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { assertNotWiped, lockUnlessWiped, obeyWipe } from '../../../edge/wipe/wipe.ts';
import { finishWipe, orderWipe, wipeKeys, wipeStateOf } from '../../../edge/wipe/wipe-files.ts';
import { silentLog } from '../../../foundation/log.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const CHILD = fileURLToPath(new URL('wipe-child.ts', import.meta.url));
const SECRET = 'canary-key-7f3a';
const DATA = 'canary-data-91bc';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stammkunde-wipe-'));
  fill();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function* filesBelow(path: string): Generator<string> {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inner = join(path, entry.name);
    if (entry.isDirectory()) yield* filesBelow(inner);
    else yield inner;
  }
}
const holding = (text: string): readonly string[] =>
  [...filesBelow(folder)].filter((path) => readFileSync(path, 'utf8').includes(text));
const keyFiles = (): readonly string[] => [
  join(folder, 'data', 'wipe.key'),
  ...['identifier.key', 'till.key', 'till.token'].map((name) => join(folder, 'keys', name)),
];

const dataFiles = (): readonly string[] =>
  ['journal.db', 'journal.db-wal', 'replica/replica-1.db'].map((name) => join(folder, 'data', name));

/** A till with keys and data. */
function fill(): void {
  mkdirSync(join(folder, 'data', 'replica'), { recursive: true });
  mkdirSync(join(folder, 'keys'));
  for (const path of keyFiles()) writeFileSync(path, SECRET);
  for (const path of dataFiles()) writeFileSync(path, DATA);
}

function child(...args: readonly string[]) {
  return spawnSync(process.execPath, [CHILD, folder, ...args], { encoding: 'utf8' });
}

describe('a wipe', () => {
  test('that is cut off after any step leaves no data without its keys gone, and is finished by the next start', () => {
    const steps = Number(child('0', 'order').stdout);
    expect(steps).toBeGreaterThan(10);
    for (let step = 1; step <= steps; step += 1) {
      rmSync(folder, { recursive: true });
      fill();
      expect(child(String(step), 'order').signal).toBe('SIGKILL');
      const somethingWent = dataFiles().some((path) => !existsSync(path));
      expect({ step, keys: somethingWent ? holding(SECRET) : [] }).toEqual({ step, keys: [] });
      // What the next start does, when it is not done already.
      const resumed = wipeStateOf(join(folder, 'data')) === 'ordered' ? child('0').status : 0;
      expect({ step, resumed }).toEqual({ step, resumed: 0 });
      expect(holding(SECRET)).toEqual([]);
      expect(holding(DATA)).toEqual([]);
      expect(wipeStateOf(join(folder, 'data'))).toBe('done');
    }
  }, 60_000);

  test('overwrites a key before it unlinks it: whoever has the file open reads nothing', () => {
    const [path = ''] = keyFiles();
    const seen: string[] = [];
    wipeKeys([path], () => seen.push(existsSync(path) ? readFileSync(path, 'latin1') : 'gone'));
    expect(seen).toEqual(['\0'.repeat(SECRET.length), 'gone']);
  });

  test('goes on with the rest when a key cannot be destroyed, says which, and destroys the data', () => {
    orderWipe(join(folder, 'data'));
    const stubborn = join(folder, 'keys');
    const faults = finishWipe({ dataFolder: join(folder, 'data'), keyFiles: [stubborn, ...keyFiles()] });
    expect(faults.map(({ path }) => path)).toEqual([stubborn]);
    expect(holding(SECRET)).toEqual([]);
    expect(holding(DATA)).toEqual([]);
  });

  test('is finished by a start, which is then refused, again and again', () => {
    const places = { dataFolder: join(folder, 'data'), keyFiles: keyFiles() };
    assertNotWiped(places, silentLog);
    orderWipe(places.dataFolder);
    expect(() => assertNotWiped(places, silentLog)).toThrow('TILL_WIPED');
    expect(holding(DATA)).toEqual([]);
    // Keys laid down for the till's next life are not touched, and it does not begin before its folder is cleared.
    for (const path of keyFiles().slice(1)) writeFileSync(path, 'new');
    expect(() => assertNotWiped(places, silentLog)).toThrow('TILL_WIPED');
    expect(holding('new')).toHaveLength(3);
    rmSync(places.dataFolder, { recursive: true });
    assertNotWiped(places, silentLog);
  });

  test('waits for sales to be sent and for closing no longer than bounded, then destroys regardless', async () => {
    const clock = new ManualClock();
    const places = { dataFolder: join(folder, 'data'), keyFiles: keyFiles() };
    orderWipe(places.dataFolder);
    const never = new Promise<void>(() => {});
    const done = obeyWipe({ sent: () => never, close: () => never }, places, { clock, log: silentLog });
    await clock.advance(1_500);
    expect(holding(SECRET)).toEqual([]);
    expect(holding(DATA)).not.toEqual([]);
    await clock.advance(1_500);
    await done;
    expect(holding(DATA)).toEqual([]);
  });
});

test('a wipe that could not destroy a key is not done, and the next start goes on with it', () => {
  orderWipe(join(folder, 'data'));
  const stuck = join(folder, 'keys', 'till.key');
  rmSync(stuck);
  mkdirSync(stuck);
  const places = { dataFolder: join(folder, 'data'), keyFiles: keyFiles() };
  expect(finishWipe(places).map(({ path }) => path)).toEqual([stuck]);
  expect(wipeStateOf(places.dataFolder)).toBe('ordered');
  rmSync(stuck, { recursive: true });
  writeFileSync(stuck, SECRET);
  expect(() => assertNotWiped(places, silentLog)).toThrow(expect.objectContaining({ code: 'TILL_WIPED' }));
  expect(wipeStateOf(places.dataFolder)).toBe('done');
  expect(holding(SECRET)).toEqual([]);
});

test('a till to be wiped whose folder cannot be locked is wiped as far as it can be, and refused as wiped', async () => {
  const places = { dataFolder: join(folder, 'data'), keyFiles: keyFiles() };
  orderWipe(places.dataFolder);
  mkdirSync(join(places.dataFolder, 'in-use.lock'));
  await expect(lockUnlessWiped(places, silentLog)).rejects.toMatchObject({ code: 'TILL_WIPED' });
  expect(holding(SECRET)).toEqual([]);
});

test('a till that another process runs is left to it, whatever was ordered', async () => {
  const places = { dataFolder: join(folder, 'data'), keyFiles: keyFiles() };
  const lock = await lockUnlessWiped(places, silentLog);
  orderWipe(places.dataFolder);
  await expect(lockUnlessWiped(places, silentLog)).rejects.toMatchObject({ code: 'DATA_IN_USE' });
  expect(holding(SECRET)).not.toEqual([]);
  await lock.close();
});

test('an order that could not be noted is noted once there is room, so that the till does not start again', async () => {
  const places = { dataFolder: join(folder, 'data'), keyFiles: keyFiles() };
  const till = { sent: () => Promise.resolve(), close: () => Promise.resolve() };
  await obeyWipe(till, places, { clock: new ManualClock(), log: silentLog });
  expect(holding(SECRET)).toEqual([]);
  expect(wipeStateOf(places.dataFolder)).toBe('done');
});
