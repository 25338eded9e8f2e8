// Goal: every way scanners end a scan on a serial line, a scanner that restarts, and half a scan at unplug.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DelimitedFrameReader } from '../../../drivers/framing/delimited-frame-reader.ts';
import type { DelimitedFraming } from '../../../drivers/framing/delimited-framer.ts';
import { DelimitedFramer } from '../../../drivers/framing/delimited-framer.ts';
import type { Frame, FrameReader, FrameSink, Noise } from '../../../drivers/framing/frame.ts';
import { LineFrameReader } from '../../../drivers/transport/serial-line.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { captured } from '../captured-frames.ts';
import { asText, text } from '../hex.ts';
import { fuzzInputs, Slices } from '../../support/slices.ts';

/** Frames as text, noise as `reason:bytes`. */
function shown(pieces: readonly (Frame | Noise)[]): string[] {
  return pieces.map((piece) =>
    piece.kind === 'frame' ? asText(piece.bytes) : `${piece.reason}:${piece.bytes}`,
  );
}

function framed(framing: DelimitedFraming, ...chunks: readonly Uint8Array[]): string[] {
  const framer = new DelimitedFramer(framing);
  return chunks.flatMap((chunk) => shown(framer.push(chunk)));
}

/** The same bytes whole, byte by byte and cut at every place. */
function splits(bytes: Uint8Array): Uint8Array[][] {
  return [
    [bytes],
    Array.from(bytes, (byte) => Uint8Array.of(byte)),
    ...Array.from(bytes, (_, cut) => [bytes.subarray(0, cut), bytes.subarray(cut)]),
  ];
}

describe.each<[string, DelimitedFraming, Uint8Array, string[]]>([
  ['CR', { terminators: ['cr'] }, text('one\rtwo\r'), ['one', 'two']],
  ['LF', { terminators: ['lf'] }, text('one\ntwo\n'), ['one', 'two']],
  ['CR LF', { terminators: ['crlf'] }, text('one\r\ntwo\r\n'), ['one', 'two']],
  ['CR LF, by CR or LF', { terminators: ['cr', 'lf'] }, text('one\r\ntwo\r\n'), ['one', 'two']],
  ['TAB', { terminators: ['tab'] }, text('one\ttwo\t'), ['one', 'two']],
  ['EOT', { terminators: ['eot'] }, text('one\u0004two\u0004'), ['one', 'two']],
  ['STX…ETX', { terminators: [], stxEtx: true }, text('\u0002one\u0003\u0002two\u0003'), ['one', 'two']],
  [
    'STX…ETX with CR LF inside',
    { terminators: [], stxEtx: true },
    Uint8Array.from([...captured.rfidStxCrLfEtx, ...captured.rfidStxCrLfEtx]),
    ['010EA58A83', '010EA58A83'],
  ],
  [
    'STX…ETX with CR LF inside, and CR as terminator',
    { terminators: ['cr', 'lf'], stxEtx: true },
    Uint8Array.from([...captured.rfidStxCrLfEtx, ...captured.ean13WithAimCr]),
    ['010EA58A83', ']E04006381333931'],
  ],
  [
    'STX…EOT',
    { terminators: ['eot'], stxEtx: true },
    text('\u0002done\u0004\u0002dtwo\u0004'),
    ['done', 'dtwo'],
  ],
  [
    'STX…ETX and EOT after it',
    { terminators: ['eot'], stxEtx: true },
    text('\u0002one\u0003\u0004\u0002two\u0003\u0004'),
    ['one', 'two'],
  ],
  ['a prefix', { terminators: ['cr'], prefix: text('~A') }, text('~Aone\r~Atwo\r'), ['one', 'two']],
])('a scan ended by %s', (_, framing, bytes, expected) => {
  test('is the same frame however it arrives', () => {
    for (const chunks of splits(bytes)) expect(framed(framing, ...chunks)).toEqual(expected);
  });
});

test('EOT is data where it is no terminator', () => {
  expect(framed({ terminators: ['cr'] }, text('a\u0004b\r'))).toEqual(['a\u0004b']);
  expect(framed({ terminators: ['cr'], stxEtx: true }, text('\u0002a\u0004b\u0003'))).toEqual(['a\u0004b']);
});

interface Seen extends FrameSink {
  readonly frames: string[];
  readonly noise: Noise[];
}

function seen(): Seen {
  const frames: string[] = [];
  const noise: Noise[] = [];
  return {
    frames,
    noise,
    onFrame: (bytes) => frames.push(asText(bytes)),
    onNoise: (piece) => noise.push(piece),
  };
}

describe.each<[string, (clock: ManualClock, sink: FrameSink) => FrameReader]>([
  [
    'a delimited line',
    (clock, sink) => new DelimitedFrameReader({ terminators: ['cr'], unfinishedMs: 5000 }, clock, sink),
  ],
  [
    'a line ended by a pause',
    (clock, sink) =>
      new DelimitedFrameReader({ terminators: [], idleGapMs: 50, unfinishedMs: 5000 }, clock, sink),
  ],
  [
    'a line of the line parser',
    (clock, sink) =>
      new LineFrameReader({ terminator: 'cr', limitBytes: 8192, unfinishedMs: 5000 }, clock, sink),
  ],
])('%s that is lost', (_, make) => {
  test('counts what was begun as unfinished, and says nothing after that', async () => {
    const clock = new ManualClock();
    const sink = seen();
    const reader = make(clock, sink);
    reader.push(text('4006'), 0);
    reader.lose();
    reader.push(text('381333931\r'), 1);
    await clock.advance(10_000);
    await settle();
    expect(sink.frames).toEqual([]);
    expect(sink.noise).toEqual([{ kind: 'noise', reason: 'unfinished', bytes: 4 }]);
    expect(clock.pending).toBe(0);
  });

  test('has nothing to count between two scans, nor when it was closed', async () => {
    const clock = new ManualClock();
    const sink = seen();
    make(clock, sink).lose();
    const closed = make(clock, sink);
    closed.push(text('4006'), 0);
    closed.close();
    closed.lose();
    await settle();
    expect(sink.noise).toEqual([]);
  });
});

test('a lost line that was past its limit counts the rest as excess', async () => {
  const clock = new ManualClock();
  for (const make of [
    (sink: FrameSink): FrameReader =>
      new DelimitedFrameReader({ terminators: ['cr'], limitBytes: 16, unfinishedMs: 5000 }, clock, sink),
    (sink: FrameSink): FrameReader =>
      new LineFrameReader({ terminator: 'cr', limitBytes: 16, unfinishedMs: 5000 }, clock, sink),
  ]) {
    const sink = seen();
    const reader = make(sink);
    reader.push(text('x'.repeat(20)), 0);
    reader.lose();
    await settle();
    expect(sink.noise.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(20);
    expect(sink.noise.some(({ reason }) => reason === 'unfinished')).toBe(false);
  }
});

test('a chunk is overwritten once it was cut: it may hold a payment card', () => {
  const sink = seen();
  const reader = new DelimitedFrameReader(
    { terminators: ['cr'], unfinishedMs: 5000 },
    new ManualClock(),
    sink,
  );
  const chunk = text('5499990001006781\r54');
  reader.push(chunk, 0);
  expect(sink.frames).toEqual(['5499990001006781']);
  expect(chunk).toEqual(new Uint8Array(chunk.length));
  reader.close();
});

test('a scanner that restarts sends garbage; the scan after it is whole', async () => {
  const clock = new ManualClock();
  const sink = seen();
  const reader = new DelimitedFrameReader({ terminators: ['cr'], unfinishedMs: 1000 }, clock, sink);
  reader.push(text('4006'), 0); // it was sending when it went down
  reader.push(Uint8Array.of(0x00, 0xff, 0xfe, 0x00), 1); // the line floats while it starts
  await clock.advance(1000);
  reader.push(text('4006381333931\r'), 1001);
  expect(sink.frames).toEqual(['4006381333931']);
  expect(sink.noise).toEqual([{ kind: 'noise', reason: 'unfinished', bytes: 8 }]);
});

test('no input makes the framer throw, hold more than its limit, lose a byte, or take long', () => {
  const framing: fc.Arbitrary<DelimitedFraming> = fc.record({
    terminators: fc.subarray(['cr', 'lf', 'crlf', 'tab', 'eot'] as const),
    stxEtx: fc.boolean(),
    limitBytes: fc.integer({ min: 1, max: 20 }),
  });
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc
      .array(fc.constantFrom(2, 3, 4, 9, 10, 13, 0x41), { maxLength: 60 })
      .map((telling) => Uint8Array.from(telling)),
  );
  const slices = new Slices('serial framing');
  fc.assert(
    fc.property(framing, bytes, (how, sent) => {
      const framer = new DelimitedFramer(how);
      const pieces = [
        ...slices.measure(
          sent,
          () => framer.push(sent),
          () => new DelimitedFramer(how).push(sent),
        ),
      ];
      expect(framer.bufferedBytes).toBeLessThanOrEqual(how.limitBytes ?? 0);
      pieces.push(...framer.discard());
      const data = pieces.reduce(
        (sum, piece) => sum + (piece.kind === 'frame' ? piece.bytes.length : piece.bytes),
        0,
      );
      expect(data).toBeLessThanOrEqual(sent.length);
      const meaning = sent.filter((byte) => [2, 3, 4, 9, 10, 13].includes(byte)).length;
      expect(data).toBeGreaterThanOrEqual(sent.length - meaning);
      expect(framer.unfinished).toBe(false);
    }),
    { numRuns: fuzzInputs() },
  );
  slices.conclude();
}, 600_000);
