// Goal: a serial reader is configured by a path or by what it is, never by both and never by neither.
import { describe, expect, test } from 'vitest';
import { ReaderConfig } from '../../../../drivers/registry.ts';

const device = { vendorId: '0c2e', productId: '090A', serialNumber: 'X1', interface: 2, usbPort: '1-2.3' };

describe('where a serial reader is', () => {
  test.each([
    [{ path: '/dev/ttyACM0' }, true],
    [{ device }, true],
    [{ path: '/dev/ttyACM0', device }, false],
    [{}, false],
    [{ device: { vendorId: '0c2e' } }, false],
    [{ device: { ...device, path: '/dev/ttyACM0' } }, false],
  ])('%j', (where, accepted) => {
    expect(ReaderConfig.safeParse({ kind: 'serial', id: 'counter', ...where }).success).toBe(accepted);
  });

  test('both and neither are told what is wanted', () => {
    const told = ReaderConfig.safeParse({ kind: 'serial', id: 'counter' }).error?.issues;
    expect(told).toMatchObject([{ path: ['path'], message: 'give either path or device, and not both' }]);
  });

  test('a device is numbers as the kernel has them', () => {
    expect(ReaderConfig.parse({ kind: 'serial', id: 'counter', device })).toMatchObject({
      device: { ...device, vendorId: 0x0c2e, productId: 0x090a },
    });
  });
});

test('EOT is a terminator, and a stripe reader has a wanted track', () => {
  const framing = { kind: 'delimited', terminators: ['eot'], stxEtx: true };
  const config = { kind: 'serial', id: 'counter', path: 'x', framing, symbology: 'magstripe', track: 1 };
  expect(ReaderConfig.parse(config)).toMatchObject({ track: 1, framing: { terminators: ['eot'] } });
});
