import { describe, expect, test } from 'vitest';
import {
  isSamePassword,
  oneTimePassword,
  readRotatingCode,
} from '../../../../sync/contract/app-code/rotating-code.ts';

describe('the one-time passwords of RFC 6238, appendix B', () => {
  const seed = '12345678901234567890';
  const secrets = {
    sha1: Buffer.from(seed),
    sha256: Buffer.from(seed + '123456789012'),
    sha512: Buffer.from(seed.repeat(3) + '1234'),
  };
  test.each([
    [59, '94287082', '46119246', '90693936'],
    [1_111_111_109, '07081804', '68084774', '25091201'],
    [1_111_111_111, '14050471', '67062674', '99943326'],
    [1_234_567_890, '89005924', '91819424', '93441116'],
    [2_000_000_000, '69279037', '90698825', '38618901'],
    [20_000_000_000, '65353130', '77737706', '47863826'],
  ])('at %i seconds are %s, %s and %s', (seconds, sha1, sha256, sha512) => {
    const step = Math.floor(seconds / 30);
    const of = (algorithm: keyof typeof secrets): string =>
      oneTimePassword(secrets[algorithm], step, { digits: 8, algorithm });
    expect([of('sha1'), of('sha256'), of('sha512')]).toEqual([sha1, sha256, sha512]);
  });

  test('have six digits where six are asked for, as in RFC 4226, appendix D', () => {
    const passwords = Array.from({ length: 10 }, (_, step) =>
      oneTimePassword(secrets.sha1, step, { digits: 6, algorithm: 'sha1' }),
    );
    expect(passwords).toEqual([
      '755224',
      '287082',
      '359152',
      '969429',
      '338314',
      '254676',
      '287922',
      '162583',
      '399871',
      '520489',
    ]);
  });
});

describe('a rotating code', () => {
  test('is number, timestamp in seconds or milliseconds, and password', () => {
    expect(readRotatingCode('4711000012-1795348800-12345678')).toEqual({
      number: '4711000012',
      at: 1_795_348_800_000,
      password: '12345678',
    });
    expect(readRotatingCode('ABC4711-1795348800000-123456')).toMatchObject({ at: 1_795_348_800_000 });
  });

  test.each([
    '4711000012',
    '4711000012-1795348800',
    '4711000012-179534880-12345678',
    '4711000012-1795348800-12345',
    '4711000012-1795348800-123456789',
    '471-1795348800-12345678',
    ' 4711000012-1795348800-12345678',
    '4711000012-1795348800-12345678 ',
    '4711 000012-1795348800-12345678',
  ])('is not %s', (text) => {
    expect(readRotatingCode(text)).toBeUndefined();
  });

  test('is compared whole', () => {
    expect(isSamePassword('123456', '123456')).toBe(true);
    expect(isSamePassword('123456', '123457')).toBe(false);
    expect(isSamePassword('12345', '123456')).toBe(false);
  });
});
