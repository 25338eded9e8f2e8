// Goal: a code is worth L3 once, while it is fresh, and nothing makes it worth that a second time.
import { generateKeyPairSync } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { SeededRandom } from '../../../foundation/random.ts';
import { Phone } from '../../../simulator/phone.ts';
import { appCodeHead } from '../../../sync/contract/app-code/app-code.ts';
import { signAppCode } from '../../../sync/contract/app-code/signature.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { codeIn, codeOf, enrolled, openVerifier, phone, temporaryFolder } from './app-code-fixture.ts';

const WINDOW_MS = 60_000;
const SKEW_MS = 30_000;

function till(clock = new ManualClock(Date.UTC(2026, 10, 22, 12))) {
  const parts = openVerifier(temporaryFolder(onTestFinished), clock);
  onTestFinished(() => parts.book.close());
  const annas = phone(clock);
  return { ...parts, clock, annas, held: enrolled(annas) };
}

test('a fresh code of an enrolled phone is L3, and the second time a replay', () => {
  const { verifier, annas, held } = till();
  const code = codeOf(annas);
  expect(verifier.verify(code, held)).toMatchObject({
    kind: 'credential',
    credential: { kind: 'app', scheme: 'app-code', trust: 'L3' },
    downgrade: null,
  });
  expect(verifier.verify(code, held)).toEqual({ kind: 'refused', code: 'REPLAY' });
  expect(verifier.verify(codeOf(annas), held)).toMatchObject({ credential: { trust: 'L3' } });
});

test.each([
  ['as old as window and skew allow', WINDOW_MS + SKEW_MS, undefined],
  ['a millisecond older', WINDOW_MS + SKEW_MS + 1, 'APP_CODE_EXPIRED'],
  ['as far ahead as skew allows', -SKEW_MS, undefined],
  ['a millisecond further ahead', -SKEW_MS - 1, 'APP_CODE_FUTURE'],
  ['of this moment', 0, undefined],
])('a code %s is taken or refused to the millisecond', (_what, ageMs, code) => {
  const shown = till();
  const { verifier } = till(new ManualClock(shown.clock.now() + ageMs));
  expect(verifier.verify(codeOf(shown.annas), shown.held)).toMatchObject(
    code === undefined ? { credential: { trust: 'L3' } } : { kind: 'refused', code },
  );
});

test('a code that wants a shorter window gets it, a longer one does not', () => {
  for (const [windowSeconds, lastsMs] of [
    [1, 1_000],
    [60, 60_000],
    [255, 60_000],
  ] as const) {
    const made = Date.UTC(2026, 10, 22, 12);
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const { annas } = till();
    const head = appCodeHead({ keyId: annas.keyId, issuedAt: made, windowSeconds, nonce: Buffer.alloc(4) });
    const code = codeIn(signAppCode('kaufhaus', head, privateKey));
    const held = enrolled(annas, { publicKey: publicKey.export({ format: 'jwk' }).x ?? '' });
    const late = till(new ManualClock(made + lastsMs + SKEW_MS + 1));
    expect(late.verifier.verify(code, held)).toEqual({ kind: 'refused', code: 'APP_CODE_EXPIRED' });
    const intime = till(new ManualClock(made + lastsMs + SKEW_MS));
    expect(intime.verifier.verify(code, held)).toMatchObject({ credential: { trust: 'L3' } });
  }
});

test('another phone’s signature, another programme and a turned bit are refused, and use the code up for nobody', () => {
  const { verifier, annas, held, clock } = till();
  const good = annas.codeBytes();
  const forged = Buffer.from(good);
  forged[81] = (forged[81] ?? 0) ^ 1;
  for (const code of [codeIn(forged), codeOf(phone(clock, 'kaufhaus', 2)), codeOf(phone(clock, 'other'))]) {
    expect(verifier.verify(code, held)).toEqual({ kind: 'refused', code: 'APP_CODE_SIGNATURE' });
  }
  expect(verifier.verify(codeIn(good), held)).toMatchObject({ credential: { trust: 'L3' } });
});

test('the same statement signed anew is still a replay', () => {
  const { verifier, clock } = till();
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const bens = phone(clock);
  const held = enrolled(bens, { publicKey: publicKey.export({ format: 'jwk' }).x ?? '' });
  const head = appCodeHead({
    keyId: bens.keyId,
    issuedAt: clock.now(),
    windowSeconds: 60,
    nonce: Buffer.alloc(4),
  });
  expect(verifier.verify(codeIn(signAppCode('kaufhaus', head, privateKey)), held)).toMatchObject({
    credential: { trust: 'L3' },
  });
  expect(verifier.verify(codeIn(signAppCode('kaufhaus', head, privateKey)), held)).toEqual({
    kind: 'refused',
    code: 'REPLAY',
  });
});

test('a phone the replica does not know is a number like any other', () => {
  const { verifier, annas } = till();
  expect(verifier.verify(codeOf(annas), undefined)).toMatchObject({
    credential: { trust: 'L1' },
    downgrade: 'key-unknown',
  });
});

test('a blocked phone is told as blocked, and one without a key as revoked', () => {
  const { verifier, annas, held } = till();
  expect(verifier.verify(codeOf(annas), { ...held, status: 'blocked' })).toMatchObject({
    kind: 'credential',
    credential: { trust: 'L1' },
  });
  const { publicKey: _gone, ...withoutKey } = held;
  expect(verifier.verify(codeOf(annas), withoutKey)).toEqual({ kind: 'refused', code: 'APP_CODE_REVOKED' });
});

test('with a clock that cannot be relied on a code still identifies, at L1, once', async () => {
  const { verifier, annas, held, clock, time } = till();
  const code = codeOf(annas);
  clock.setWallClock(clock.now() - 3_600_000);
  expect(time.quality).toBe('bad');
  expect(verifier.verify(code, held)).toMatchObject({ credential: { trust: 'L1' }, downgrade: 'clock' });
  expect(verifier.verify(code, held)).toEqual({ kind: 'refused', code: 'REPLAY' });
  clock.setWallClock(clock.now() + 3_600_000);
  expect(verifier.verify(codeOf(annas), held)).toMatchObject({ credential: { trust: 'L3' } });
});

test('a book that takes nothing more makes codes L1, and sends nobody away', async () => {
  const clock = new ManualClock();
  const { verifier, book } = openVerifier(temporaryFolder(onTestFinished), clock, { seenMax: 2 });
  onTestFinished(() => book.close());
  const annas = phone(clock);
  const held = enrolled(annas);
  const codes = [codeOf(annas), codeOf(annas), codeOf(annas)];
  const verdicts = codes.map((code) => verifier.verify(code, held));
  expect(verdicts.map((verdict) => verdict.kind === 'credential' && verdict.credential.trust)).toEqual([
    'L3',
    'L3',
    'L1',
  ]);
  expect(verdicts[2]).toMatchObject({ downgrade: 'not-remembered' });
  // Those remembered are still remembered.
  expect(codes[0] && verifier.verify(codes[0], held)).toEqual({ kind: 'refused', code: 'REPLAY' });
  // Once they are forgotten there is room again.
  await clock.advance(10 * 60_000);
  book.prune(clock.now());
  expect(verifier.verify(codeOf(annas), held)).toMatchObject({ credential: { trust: 'L3' } });
});

test('more phones than keys are kept ready are all verified, each by its own key', () => {
  const { verifier, clock } = till();
  const phones = Array.from(
    { length: 300 },
    (_, i) =>
      new Phone(Buffer.alloc(32, i % 251).fill(i >> 1, 0, 2), {
        tenant: 'kaufhaus',
        clock,
        random: new SeededRandom(i),
      }),
  );
  const other = enrolled(phone(clock));
  for (const each of [...phones, ...phones.toReversed()]) {
    expect(verifier.verify(codeOf(each), enrolled(each))).toMatchObject({ credential: { trust: 'L3' } });
    expect(verifier.verify(codeOf(each), other)).toEqual({ kind: 'refused', code: 'APP_CODE_SIGNATURE' });
  }
});
