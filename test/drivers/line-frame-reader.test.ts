// Goal: the line parser, with its guard before it, is bounded and byte-exact.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Noise } from '../../drivers/framing/frame.ts';
import { LineFrameReader } from '../../drivers/transport/serial-line.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { asText, text } from './hex.ts';

interface Seen {
  readonly frames: string[];
  readonly times: number[];
  readonly noise: Noise[];
}

function open(
  terminator: 'cr' | 'lf' | 'crlf' | 'tab',
  limitBytes = 8192,
  clock = new ManualClock(),
): { reader: LineFrameReader; seen: Seen } {
  const seen: Seen = { frames: [], times: [], noise: [] };
  const reader = new LineFrameReader({ terminator, limitBytes, unfinishedMs: 5000 }, clock, {
    onFrame: (bytes, at) => {
      seen.frames.push(asText(bytes));
      seen.times.push(at);
    },
    onNoise: (noise) => seen.noise.push(noise),
  });
  return { reader, seen };
}

function noiseBytes(seen: Seen): number {
  return seen.noise.reduce((sum, noise) => sum + noise.bytes, 0);
}

test('lines in one chunk, in pieces and byte by byte are the same lines', async () => {
  const { reader, seen } = open('crlf');
  reader.push(text('one\r\ntwo\r\nth'), 1);
  reader.push(text('ree\r'), 2);
  reader.push(text('\n'), 3);
  for (const byte of text('four\r\n')) reader.push(Uint8Array.of(byte), 4);
  await settle();
  expect(seen.frames).toEqual(['one', 'two', 'three', 'four']);
  expect(seen.times).toEqual([1, 1, 3, 4]);
});

test('every byte value survives', async () => {
  const { reader, seen } = open('lf');
  const all = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => byte !== 0x0a);
  reader.push(Uint8Array.from([...all, 0x0a]), 0);
  await settle();
  expect(seen.frames).toEqual([asText(Uint8Array.from(all))]);
});

test('an overlong line is noise, every byte counted, and the line after it is whole', async () => {
  const { reader, seen } = open('crlf', 8);
  reader.push(text('12345678\r\n123456789abc\r\ngood\r\n'), 0);
  await settle();
  expect(seen.frames).toEqual(['12345678', 'good']);
  expect(seen.noise.filter((noise) => noise.reason === 'overlong')).toHaveLength(1);
  expect(noiseBytes(seen)).toBe('123456789abc'.length);
});

test('10 MB without a terminator never reach the parser', async () => {
  const { reader, seen } = open('cr');
  const chunk = new Uint8Array(64 * 1024).fill(0x41);
  for (let i = 0; i < 160; i += 1) {
    reader.push(chunk, 0);
    expect(reader.bufferedBytes).toBeLessThanOrEqual(8192);
  }
  reader.push(text('\rgood\r'), 0);
  await settle();
  expect(seen.frames).toEqual(['good']);
  expect(noiseBytes(seen)).toBe(160 * 64 * 1024);
});

test('empty lines are nothing', async () => {
  const { reader, seen } = open('cr');
  reader.push(text('\r\rone\r\r'), 0);
  await settle();
  expect(seen.frames).toEqual(['one']);
});

test('a line that stays unfinished is dropped and never glued to the next', async () => {
  const clock = new ManualClock();
  const { reader, seen } = open('cr', 8192, clock);
  reader.push(text('4006'), 0);
  await clock.advance(4999);
  expect(seen.noise).toEqual([]);
  await clock.advance(1);
  expect(seen.noise).toEqual([{ kind: 'noise', reason: 'unfinished', bytes: 4 }]);
  reader.push(text('one\r'), 0);
  await settle();
  expect(seen.frames).toEqual(['one']);
});

test('a closed reader calls back no more and holds no timer', async () => {
  const clock = new ManualClock();
  const { reader, seen } = open('cr', 8192, clock);
  reader.push(text('4006'), 0);
  reader.close();
  reader.push(text('381333931\r'), 0);
  await settle();
  expect(seen).toEqual({ frames: [], times: [], noise: [] });
  expect(clock.pending).toBe(0);
});

test('any split of the bytes gives the same lines', async () => {
  const bytes = fc
    .array(fc.constantFrom(0x0d, 0x0a, 0x41, 0xff), { maxLength: 60 })
    .map((list) => Uint8Array.from(list));
  await fc.assert(
    fc.asyncProperty(
      bytes,
      fc.constantFrom('cr', 'lf', 'crlf'),
      fc.nat(60),
      async (sent, terminator, cut) => {
        const whole = open(terminator, 5);
        const pieces = open(terminator, 5);
        whole.reader.push(sent, 0);
        for (const part of [sent.subarray(0, cut), sent.subarray(cut)]) pieces.reader.push(part, 0);
        await settle();
        expect(pieces.seen.frames).toEqual(whole.seen.frames);
        expect(noiseBytes(pieces.seen)).toBe(noiseBytes(whole.seen));
      },
    ),
  );
});
