// Goal: what the POS gets is in order, once and never late; what it does not take is counted, and nothing piles up.
// Method: an output on a line that is told what to do, and time that stands still; then terminals of both kinds.
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { silentLog } from '../../../foundation/log.ts';
import { StammkundeError } from '../../../foundation/errors.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import type { LinePorts, OpenLine } from '../../../edge/pass-through/line.ts';
import { Output } from '../../../edge/pass-through/output.ts';
import { PtyLine } from '../../../edge/pass-through/pty-line.ts';
import type { LinePty } from '../../../edge/pass-through/pty-line.ts';
import { transportLine } from '../../../edge/pass-through/transport-line.ts';
import { MemoryDevice } from '../../../drivers/transport/memory.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** A POS that takes scans, takes none for now, or is not there. */
class FakePos {
  state: 'takes' | 'busy' | 'nobody' | 'absent' = 'takes';
  readonly got: string[] = [];
  openings = 0;
  ports: LinePorts | undefined;

  readonly open: OpenLine = async (ports) => {
    this.openings += 1;
    if (this.state === 'absent') throw new StammkundeError('PASS_POS_ABSENT', 'not there');
    this.ports = ports;
    return {
      receivers: 1,
      send: (bytes) => {
        if (this.state === 'takes') this.got.push(text(bytes));
        return this.state === 'takes' ? 'taken' : this.state === 'nobody' ? 'nobody' : 'busy';
      },
      close: async () => {},
    };
  };
}

async function outputTo(open: OpenLine, clock: ManualClock): Promise<Output> {
  const output = Output.start({
    id: 'pos',
    kind: 'test',
    open,
    maxAgeMs: 2_000,
    clock,
    random: new SeededRandom(1),
    log: silentLog,
  });
  onTestFinished(() => output.close());
  await settle();
  return output;
}

const offer = (output: Output, scan: string): boolean => output.offer(Buffer.from(scan));

test('a scan the POS takes is sent within the call', async () => {
  const pos = new FakePos();
  const output = await outputTo(pos.open, new ManualClock());
  expect(offer(output, 'a\r')).toBe(true);
  expect(pos.got).toEqual(['a\r']);
  expect(output.status()).toMatchObject({
    status: 'ready',
    passed: 1,
    waiting: 0,
    dropped: { stale: 0, full: 0 },
  });
});

test('a POS that is back in time gets what waited, in order, before anything newer', async () => {
  const pos = new FakePos();
  const clock = new ManualClock();
  const output = await outputTo(pos.open, clock);
  pos.state = 'nobody';
  expect(offer(output, 'a')).toBe(false);
  await clock.advance(1_900);
  expect(offer(output, 'b')).toBe(false);
  pos.state = 'takes';
  expect(offer(output, 'c')).toBe(false);
  pos.ports?.onReady();
  expect(pos.got).toEqual(['a', 'b', 'c']);
});

test('a scan the POS has not taken in time is dropped and counted, and a younger one is not', async () => {
  const pos = new FakePos();
  const clock = new ManualClock();
  const output = await outputTo(pos.open, clock);
  pos.state = 'busy';
  offer(output, 'old');
  await clock.advance(1_500);
  offer(output, 'young');
  await clock.advance(500);
  expect(output.status()).toMatchObject({ passed: 0, waiting: 1, dropped: { stale: 1, full: 0 } });
  pos.state = 'takes';
  pos.ports?.onReady();
  expect(pos.got).toEqual(['young']);
});

test('a POS that is back at the very moment a scan is too old does not get it', async () => {
  const pos = new FakePos();
  const clock = new ManualClock();
  const output = await outputTo(pos.open, clock);
  pos.state = 'busy';
  clock.schedule(2_000, () => {
    pos.state = 'takes';
    pos.ports?.onReady();
  });
  offer(output, 'old');
  await clock.advance(2_000);
  expect(pos.got).toEqual([]);
  expect(output.status()).toMatchObject({ waiting: 0, dropped: { stale: 1 } });
});

test('no more than a bounded number waits, and those that wait keep their place', async () => {
  const pos = new FakePos();
  pos.state = 'absent';
  const output = await outputTo(pos.open, new ManualClock());
  for (let i = 0; i < 100; i += 1) offer(output, `${i}`);
  expect(output.status()).toMatchObject({ waiting: 64, dropped: { full: 36, stale: 0 } });
});

test('a POS that is absent or lost is sought for ever, and nothing is sent to it twice', async () => {
  const pos = new FakePos();
  pos.state = 'absent';
  const clock = new ManualClock();
  const output = await outputTo(pos.open, clock);
  expect(output.status()).toMatchObject({ status: 'waiting', code: 'PASS_POS_ABSENT', receivers: 0 });
  await clock.advance(60_000);
  expect(pos.openings).toBeGreaterThan(5);
  pos.state = 'takes';
  await clock.advance(5_000);
  offer(output, 'a');
  pos.ports?.onLost(new StammkundeError('PASS_POS_ABSENT', 'unplugged'));
  await settle();
  expect(output.status()).toMatchObject({ status: 'waiting' });
  offer(output, 'b');
  await clock.advance(1_000);
  expect(pos.got).toEqual(['a', 'b']);
});

test('closed, it lets go of what waits', async () => {
  const pos = new FakePos();
  pos.state = 'busy';
  const clock = new ManualClock();
  const output = await outputTo(pos.open, clock);
  offer(output, 'a');
  await output.close();
  expect(output.status()).toMatchObject({ status: 'closed', waiting: 0 });
  expect(offer(output, 'b')).toBe(false);
  expect(clock.pending).toBe(0);
});

test('whatever the POS does, it gets a part of what was scanned, in order, none of it older than allowed', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('scan' as const) }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 1_500 }) }),
    fc.record({
      kind: fc.constant('pos' as const),
      state: fc.constantFrom('takes' as const, 'busy' as const),
    }),
    fc.record({ kind: fc.constant('lost' as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const clock = new ManualClock();
      const got: { readonly scan: number; readonly lateMs: number }[] = [];
      const scannedAt: number[] = [];
      const pos = new FakePos();
      pos.got.push = (scan: string): number => {
        const number = Number(scan);
        return got.push({ scan: number, lateMs: clock.monotonicMs() - (scannedAt[number] ?? 0) });
      };
      const output = await outputTo(pos.open, clock);
      for (const each of steps) {
        switch (each.kind) {
          case 'scan':
            scannedAt.push(clock.monotonicMs());
            offer(output, `${scannedAt.length - 1}`);
            break;
          case 'wait':
            await clock.advance(each.ms);
            break;
          case 'pos':
            pos.state = each.state;
            if (each.state === 'takes') pos.ports?.onReady();
            break;
          case 'lost':
            pos.ports?.onLost(new StammkundeError('PASS_POS_ABSENT', 'unplugged'));
            await settle();
            break;
        }
      }
      const { passed, waiting, dropped } = output.status();
      await output.close();
      expect(passed + waiting + dropped.stale + dropped.full).toBe(scannedAt.length);
      expect(got.length).toBe(passed);
      expect(got.every(({ scan }, i) => i === 0 || scan > (got[i - 1]?.scan ?? -1))).toBe(true);
      expect(got.every(({ lateMs }) => lateMs < 2_000)).toBe(true);
    }),
    { numRuns: 40 },
  );
});

/** A terminal with room for so many bytes, and a reader who reads when told to. */
class FakeTerminal implements LinePty {
  held = '';
  readonly #room: number;

  constructor(room: number) {
    this.#room = room;
  }

  writeNow(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, this.#room - this.held.length);
    this.held += text(taken);
    return taken.length;
  }

  takeBack(): Uint8Array {
    const taken = Buffer.from(this.held, 'latin1');
    this.held = '';
    return taken;
  }

  /** What the POS reads, all or the first bytes. */
  read(bytes = this.held.length): string {
    const read = this.held.slice(0, bytes);
    this.held = this.held.slice(bytes);
    return read;
  }

  async close(): Promise<void> {}
}

function terminalLine(
  clock: ManualClock,
  terminal: FakeTerminal,
): { line: PtyLine; takenBack: number[]; ready: () => number } {
  const takenBack: number[] = [];
  let ready = 0;
  const line = new PtyLine(terminal, {
    clock,
    signal: new AbortController().signal,
    maxAgeMs: 2_000,
    onReady: () => (ready += 1),
    onTakenBack: (scans) => takenBack.push(scans),
    onLost: () => expect.unreachable(),
  });
  onTestFinished(() => line.close());
  return { line, takenBack, ready: () => ready };
}

test('what nobody reads on the virtual port is taken back, so that no product waits for the POS that opens it next', async () => {
  const clock = new ManualClock();
  const terminal = new FakeTerminal(4_095);
  const { line, takenBack } = terminalLine(clock, terminal);
  line.send(Buffer.from('old\r'));
  await clock.advance(1_900);
  line.send(Buffer.from('young\r'));
  expect(line.receivers).toBeNull();
  await clock.advance(150);
  expect(terminal.held).toBe('young\r');
  expect(takenBack).toEqual([1]);
  expect(line.receivers).toBe(0);
  terminal.read();
  await clock.advance(5_000);
  expect(takenBack).toEqual([1]);
  line.send(Buffer.from('next\r'));
  terminal.read();
  await clock.advance(2_050);
  expect(line.receivers).toBeNull();
  expect(clock.pending).toBe(0);
});

test('what the POS has read in part is left to it, so that it never glues two products together', async () => {
  const clock = new ManualClock();
  const terminal = new FakeTerminal(4_095);
  const { line, takenBack } = terminalLine(clock, terminal);
  for (const scan of ['4006381333931\r', '4006381333932\r', '4006381333933\r']) line.send(Buffer.from(scan));
  expect(terminal.read(20)).toBe('4006381333931\r400638');
  await clock.advance(2_100);
  expect(terminal.held).toBe('1333932\r');
  expect(takenBack).toEqual([1]);
});

test('a full virtual port is waited for, and a scan goes into it whole or not at all', async () => {
  const clock = new ManualClock();
  const terminal = new FakeTerminal(10);
  const { line, takenBack, ready } = terminalLine(clock, terminal);
  expect(line.send(Buffer.from('123456\r'))).toBe('taken');
  expect(line.send(Buffer.from('abcdef\r'))).toBe('taken');
  expect(terminal.held).toBe('123456\rabc');
  expect(line.send(Buffer.from('x\r'))).toBe('busy');
  expect(terminal.read()).toBe('123456\rabc');
  await clock.advance(2);
  expect(terminal.read()).toBe('def\r');
  expect(ready()).toBe(1);
  expect(line.send(Buffer.from('x\r'))).toBe('taken');
  terminal.read();
  await clock.advance(3_000);
  expect(takenBack).toEqual([]);
});

test('a scan that only half went in is dropped whole when nobody reads', async () => {
  const clock = new ManualClock();
  const terminal = new FakeTerminal(10);
  const { line, takenBack } = terminalLine(clock, terminal);
  line.send(Buffer.from('123456\r'));
  line.send(Buffer.from('abcdef\r'));
  await clock.advance(2_100);
  expect(terminal.held).toBe('');
  expect(takenBack).toEqual([2]);
  expect(line.send(Buffer.from('x\r'))).toBe('taken');
  expect(terminal.read()).toBe('x\r');
});

test('however the POS reads, it reads whole scans in order, and each is read or counted', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('scan' as const) }),
    fc.record({ kind: fc.constant('read' as const), bytes: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 2_500 }) }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.integer({ min: 5, max: 60 }),
      async (steps, room) => {
        const clock = new ManualClock();
        const terminal = new FakeTerminal(room);
        const { line, takenBack } = terminalLine(clock, terminal);
        let scans = 0;
        let read = '';
        for (const each of steps) {
          switch (each.kind) {
            case 'scan':
              if (line.send(Buffer.from(`<product ${scans}>`)) === 'taken') scans += 1;
              break;
            case 'read':
              read += terminal.read(each.bytes);
              break;
            case 'wait':
              await clock.advance(each.ms);
              break;
          }
        }
        for (let rest = ' '; rest !== '' || terminal.held !== '';) {
          rest = terminal.read();
          read += rest;
          await clock.advance(2);
        }
        await line.close();
        const whole = [...read.matchAll(/<product ([0-9]+)>/g)].map(([, number]) => Number(number));
        expect(read).toBe(whole.map((number) => `<product ${number}>`).join(''));
        expect(whole).toEqual(whole.toSorted((a, b) => a - b));
        expect(new Set(whole).size).toBe(whole.length);
        expect(whole.length + takenBack.reduce((sum, each) => sum + each, 0)).toBe(scans);
      },
    ),
    { numRuns: 150 },
  );
});

test('a serial line is opened again after it was lost', async () => {
  const clock = new ManualClock();
  const device = new MemoryDevice();
  const output = await outputTo(transportLine(device.open, 'COM11'), clock);
  offer(output, 'a\r');
  await settle();
  device.unplug();
  await settle();
  expect(output.status()).toMatchObject({ status: 'waiting', code: 'PASS_POS_ABSENT' });
  offer(output, 'b\r');
  device.plug();
  await clock.advance(1_000);
  expect(device.written.map(text)).toEqual(['a\r', 'b\r']);
});

test('a line that takes nothing any more is given up with what waits in it', async () => {
  const clock = new ManualClock();
  let openings = 0;
  const output = await outputTo(
    transportLine(async () => {
      openings += 1;
      return { write: () => new Promise<void>(() => {}), close: async () => {} };
    }, 'COM11'),
    clock,
  );
  for (let i = 0; i < 20; i += 1) offer(output, `${i}`);
  expect(output.status()).toMatchObject({ passed: 16, waiting: 4 });
  await clock.advance(2_000);
  expect(output.status()).toMatchObject({ passed: 0, dropped: { stale: 20 } });
  await clock.advance(1_000);
  expect(openings).toBe(2);
});
