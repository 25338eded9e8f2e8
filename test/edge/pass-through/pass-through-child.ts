import { SystemClock } from '../../../foundation/clock.ts';
import { silentLog } from '../../../foundation/log.ts';
import { SystemRandom } from '../../../foundation/random.ts';
import { Scan } from '../../../drivers/driver.ts';
import { PassThroughConfig } from '../../../edge/pass-through/config.ts';
import { PassThrough } from '../../../edge/pass-through/pass-through.ts';
import { waitUntil } from '../../../simulator/wait-until.ts';

/** Shares a virtual port with the POS and scans each line of its input; says `ready` once, and each line when it is passed on. */
const clock = new SystemClock();
const passThrough = await PassThrough.open({
  config: PassThroughConfig.parse({ outputs: [{ id: 'pos', kind: 'pty', path: process.argv[2] }] }),
  readerIds: ['counter'],
  rules: { schemes: { byLength: new Map() } },
  clock,
  random: new SystemRandom(),
  log: silentLog,
});
await waitUntil(async () => (passThrough.statuses()[0]?.status === 'ready' ? true : undefined), {
  clock,
  deadlineMs: 10_000,
  everyMs: 5,
  what: 'the virtual port',
});
process.stdout.write('ready\n');
process.stdin.setEncoding('utf8').on('data', (lines: string) => {
  for (const code of lines.split('\n').filter((line) => line !== '')) {
    const scan = new Scan({
      readerId: 'counter',
      symbology: 'ean-13',
      aim: ']E0',
      payload: Buffer.from(code),
      receivedAtMonotonicMs: clock.monotonicMs(),
      receivedAt: clock.now(),
    });
    passThrough.offer(scan, { kind: 'product', code });
    process.stdout.write(`${code}\n`);
  }
});
