// Goal: the server's word on codes: each once, fresh by its own clock, of who is in order; and secrets rest sealed.
// Method: the real database in memory, a clock that is moved by hand.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sql } from 'kysely';
import { silentLog } from '../../../foundation/log.ts';
import { SeededRandom, uuidV7 } from '../../../foundation/random.ts';
import { insertCustomers } from '../../../server/customers/insert-customers.ts';
import { Database } from '../../../server/database/database.ts';
import { AppCodes } from '../../../server/devices/app-codes.ts';
import { Devices } from '../../../server/devices/devices.ts';
import { RotatingCodes } from '../../../server/devices/rotating-codes.ts';
import { Seal } from '../../../server/devices/seal.ts';
import { Phone } from '../../../simulator/phone.ts';
import { oneTimePassword } from '../../../sync/contract/app-code/rotating-code.ts';
import { BlindIndexer } from '../../../sync/contract/blind-index.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const TENANT = 'kaufhaus';
const SECRET = Buffer.alloc(32, 4);
const clock = new ManualClock();
const random = new SeededRandom(11);
const indexer = new BlindIndexer(Buffer.alloc(32, 3), TENANT);
const changes = { changed: (): void => {}, urgent: (): void => {} };
let database: Database;
let appCodes: AppCodes;
let rotatingCodes: RotatingCodes;
let devices: Devices;

beforeAll(async () => {
  database = await Database.open({ memory: true }, { clock, random, log: silentLog });
  appCodes = new AppCodes({ database, indexer, tenant: TENANT, serverSecret: SECRET, clock });
  rotatingCodes = new RotatingCodes({ database, indexer, serverSecret: SECRET, clock, random });
  devices = new Devices({ database, indexer, changes, clock, random });
}, 120_000);
afterAll(() => database.close());

let customerId = '';
let cardId = '';
let index = '';
let serial = 0;
beforeEach(async () => {
  customerId = uuidV7(clock.now(), random);
  cardId = uuidV7(clock.now(), random);
  index = indexer.index('card', `card ${(serial += 1)}`);
  const customer = { tier: 'basic', purposes: [], greeting: null, cards: [] };
  const cards = [{ id: cardId, index, kind: 'card', scheme: 'house-card', validUntil: null } as const];
  await database.transaction((tx) =>
    insertCustomers(tx, [{ id: customerId, customer, cards }], { clock, random }),
  );
});

const newPhone = (): Phone => new Phone(random.bytes(32), { tenant: TENANT, clock, random });
const confirm = (bytes: Uint8Array, till = 'till-1') =>
  appCodes.confirm(till, { kind: 'app-code.confirm', code: Buffer.from(bytes).toString('hex') });

describe('an app code', () => {
  test('is confirmed to the till it was shown at, again if it asks again, and to no other', async () => {
    const phone = newPhone();
    await devices.enrol(customerId, phone);
    const code = phone.codeBytes();
    expect(await confirm(code)).toBe('confirmed');
    expect(await confirm(code)).toBe('confirmed');
    expect(await confirm(code, 'till-2')).toBe('replayed');
    await clock.advance(30_000);
    expect(await confirm(code, 'till-2')).toBe('replayed');
  });

  test('is refused when it is too old or from the future by the server’s clock', async () => {
    const phone = newPhone();
    await devices.enrol(customerId, phone);
    const code = phone.codeBytes();
    await clock.advance(90_001);
    expect(await confirm(code)).toBe('refused');
    const ahead = phone.codeBytes();
    clock.setWallClock(clock.now() - 40_000);
    expect(await confirm(ahead)).toBe('refused');
  });

  test('is refused from a revoked phone and a blocked customer, and unknown from a stranger’s', async () => {
    const phone = newPhone();
    expect(await confirm(phone.codeBytes())).toBe('unknown');
    const { id } = await devices.enrol(customerId, phone);
    await sql`update customer set status = 'blocked' where id = ${customerId}`.execute(database.db);
    expect(await confirm(phone.codeBytes())).toBe('refused');
    await sql`update customer set status = 'active' where id = ${customerId}`.execute(database.db);
    expect(await confirm(phone.codeBytes())).toBe('confirmed');
    await devices.revoke(customerId, id);
    expect(await confirm(phone.codeBytes())).toBe('refused');
    expect(await devices.list(customerId)).toMatchObject([{ id, keyId: null, status: 'blocked' }]);
  });

  test('is forgotten a quarter of an hour later', async () => {
    const phone = newPhone();
    await devices.enrol(customerId, phone);
    await confirm(phone.codeBytes());
    await clock.advance(15 * 60_000 + 1);
    await confirm(phone.codeBytes());
    const { rows } = await sql<{ n: number }>`select count(*)::int as n from app_code_use`.execute(
      database.db,
    );
    expect(rows).toEqual([{ n: 1 }]);
  });
});

describe('a rotating code', () => {
  const PERIOD_MS = 30_000;
  const settings = { periodSeconds: 30, digits: 8, algorithm: 'sha1' } as const;

  async function pass() {
    const { secret } = await rotatingCodes.make(cardId, settings);
    return (stepsOff = 0) => {
      const step = Math.floor(clock.now() / PERIOD_MS) + stepsOff;
      const password = oneTimePassword(Buffer.from(secret, 'hex'), step, settings);
      return rotatingCodes.verify({ kind: 'rotating-code.verify', index, at: step * PERIOD_MS, password });
    };
  }

  test('is confirmed once, and nothing older after it', async () => {
    const show = await pass();
    expect(await show()).toBe('confirmed');
    expect(await show()).toBe('replayed');
    expect(await show(-1)).toBe('replayed');
    await clock.advance(PERIOD_MS);
    expect(await show()).toBe('confirmed');
  });

  test.each([
    [-2, 'refused'],
    [-1, 'confirmed'],
    [1, 'confirmed'],
    [2, 'refused'],
  ])('%i periods off is %s', async (stepsOff, verdict) => {
    const show = await pass();
    expect(await show(stepsOff)).toBe(verdict);
  });

  test('with another password, of a blocked card, or without a secret is not confirmed', async () => {
    const question = { kind: 'rotating-code.verify', index, at: clock.now(), password: '00000000' } as const;
    expect(await rotatingCodes.verify(question)).toBe('unknown');
    const show = await pass();
    expect(await rotatingCodes.verify(question)).toBe('refused');
    await sql`update credential set status = 'blocked' where id = ${cardId}`.execute(database.db);
    expect(await show()).toBe('refused');
  });

  test('has a new secret when a new pass is made, and the old pass is worth nothing', async () => {
    const old = await pass();
    const now = await pass();
    expect(await old()).toBe('refused');
    expect(await now()).toBe('confirmed');
  });

  test('has a secret for cards alone, not for phones or what does not exist', async () => {
    const { id } = await devices.enrol(customerId, newPhone());
    for (const each of [id, uuidV7(0, random)]) {
      await expect(rotatingCodes.make(each, settings)).rejects.toMatchObject({ code: 'CARD_NOT_FOUND' });
    }
  });

  test('has a secret that rests sealed', async () => {
    const { secret } = await rotatingCodes.make(cardId, settings);
    const { rows } = await sql<{ sealed: string }>`
      select sealed from rotating_secret where credential_id = ${cardId}`.execute(database.db);
    const stored = Buffer.from(rows[0]?.sealed ?? '', 'base64url');
    expect(stored.includes(Buffer.from(secret, 'hex'))).toBe(false);
    expect(stored.length).toBe(12 + 20 + 16);
  });
});

describe('a seal', () => {
  test('opens with the same secret for the same owner and purpose, and for nobody else', () => {
    const sealed = new Seal(SECRET, 'a', random).close(Buffer.from('hidden'), 'owner');
    expect(new Seal(SECRET, 'a', random).open(sealed, 'owner').toString()).toBe('hidden');
    for (const open of [
      () => new Seal(SECRET, 'b', random).open(sealed, 'owner'),
      () => new Seal(SECRET, 'a', random).open(sealed, 'other'),
      () => new Seal(Buffer.alloc(32, 5), 'a', random).open(sealed, 'owner'),
      () => new Seal(SECRET, 'a', random).open(`${sealed.slice(0, -2)}AA`, 'owner'),
      () => new Seal(SECRET, 'a', random).open('', 'owner'),
    ]) {
      expect(open).toThrow(expect.objectContaining({ code: 'KEY_UNREADABLE' }));
    }
  });
});
