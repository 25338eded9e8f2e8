// Goal: a bank card is refused whole, on whichever track it is told by, and nothing of it stays in memory.
// Method: the real reader before the real recognition; payment-card test numbers on each track beside harmless ones.
import { expect, test } from 'vitest';
import { silentLog } from '../../../../foundation/log.ts';
import { SeededRandom } from '../../../../foundation/random.ts';
import type { Scan } from '../../../../drivers/driver.ts';
import { MagstripeConfig } from '../../../../drivers/protocol/magstripe/config.ts';
import { magstripeDriver } from '../../../../drivers/protocol/magstripe/driver.ts';
import { SerialScannerConfig } from '../../../../drivers/protocol/scanner/config.ts';
import { scannerDriver } from '../../../../drivers/protocol/scanner/driver.ts';
import { MemoryHidDevice } from '../../../../drivers/transport/memory-hid.ts';
import { MemoryDevice } from '../../../../drivers/transport/memory.ts';
import { recognise } from '../../../../edge/recognition/recognise.ts';
import { CardSchemes, compileCardSchemes } from '../../../../sync/contract/card-scheme.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { asText, text } from '../../hex.ts';
import type { Stripe } from './swipes.ts';
import { magTekReport } from './swipes.ts';

const bankCards = [
  '4111111111111111',
  '4242424242424242',
  '4000000000000002',
  '5555555555554444',
  '2223003122003222',
  '378282246310005',
  '6011111111111117',
  '30569309025904',
  '3566002020360505',
  '6200000000000005',
  '6759649826438453',
];

/** Each way a bank card's stripe may be read: one track of it, beside what looks like a loyalty card's. */
function stripesOf(number: string): Stripe[] {
  const track1 = `%B${number}^TEST/CARD^29121010000000000?`;
  const track2 = `;${number}=29121010000000000?`;
  return [
    { track1, track2, track3: ';4711?' },
    { track1, track2: ';4711?' },
    { track1: '%MUSTER?', track2 },
    { track2, track3: ';4711?', failed: [1] },
    { track1, track3: ';4711?', failed: [2] },
    { track2: ';4711?', track3: `;01${number}=2801234567?` },
    { track2: ';4711?', track3: `+${number}?` },
    { track1: `%${number}?`, track2: ';4711?' },
    { track2: `;${number}?` },
  ];
}

const schemes = compileCardSchemes(
  CardSchemes.parse([
    {
      name: 'club',
      kind: 'card',
      symbologies: ['magstripe'],
      prefix: '47',
      lengths: [4],
      checkDigit: 'none',
    },
  ]),
);

const ONLY_ERRORS = /^(?:[%;+]E\?)+$/;

async function readers(): Promise<{ scans: Scan[]; swipe: (stripe: Stripe) => Promise<void> }> {
  const scans: Scan[] = [];
  const clock = new ManualClock();
  const ports = {
    readerId: 'counter',
    clock,
    random: new SeededRandom(1),
    log: silentLog,
    signal: new AbortController().signal,
    onFrame: () => {},
    onScan: (scan: Scan) => scans.push(scan),
    onNoise: () => {},
    onLost: () => {},
  };
  const usb = new MemoryHidDevice({ vendorId: 0x0801 });
  const line = new MemoryDevice();
  const device = { vendorId: '0801', productId: '0002' };
  const wanted = ['auto', 1, 2, 3] as const;
  for (const track of wanted)
    await magstripeDriver(
      MagstripeConfig.parse({ kind: 'magstripe', id: 'usb', device, track }),
      usb.open,
    )(ports);
  const serial = { kind: 'serial', id: 'line', path: 'x', symbology: 'magstripe' };
  await scannerDriver(SerialScannerConfig.parse(serial), line.open)(ports);
  await clock.advance(250);
  return {
    scans,
    swipe: async (stripe) => {
      usb.send(magTekReport(stripe));
      const failed = (track: 1 | 2 | 3, error: string): string =>
        stripe.failed?.includes(track) === true ? error : '';
      line.send(
        text(
          `${stripe.track1 ?? failed(1, '%E?')}\r${stripe.track2 ?? failed(2, ';E?')}\r${stripe.track3?.replace(';', '+') ?? ''}\r`,
        ),
      );
      await clock.advance(100);
    },
  };
}

test.each(bankCards)('%s', async (number) => {
  const { scans, swipe } = await readers();
  for (const stripe of stripesOf(number)) {
    await swipe(stripe);
    const taken = scans.splice(0);
    expect(taken).toHaveLength(5);
    for (const scan of taken) {
      const handed = asText(scan.payload).replaceAll(number, 'PAN');
      const recognised = recognise(
        { payload: scan.payload, symbology: scan.symbology, source: 'reader' },
        { schemes },
      );
      // Where the wanted track could not be read, there is nothing of the card in the scan, and nothing to refuse.
      const outcome = ONLY_ERRORS.test(handed) ? 'nothing of it' : recognised.kind;
      expect([handed, outcome]).toEqual([handed, ONLY_ERRORS.test(handed) ? 'nothing of it' : 'refused']);
      expect(asText(scan.payload)).not.toContain(number.slice(0, 6));
    }
  }
});
