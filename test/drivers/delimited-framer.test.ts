// Goal: whatever a scanner sends, in whatever pieces, gives the same frames; nothing it sends can fill memory.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DelimitedFramer } from '../../drivers/framing/delimited-framer.ts';
import type { DelimitedFraming, Terminator } from '../../drivers/framing/delimited-framer.ts';
import type { Frame, Noise } from '../../drivers/framing/frame.ts';
import { captured } from './captured-frames.ts';
import { asText, hex, text } from './hex.ts';

const crOrLf: DelimitedFraming = { terminators: ['cr', 'lf'] };

/** Frames as text, noise as `reason:bytes`. */
function shown(pieces: readonly (Frame | Noise)[]): string[] {
  return pieces.map((piece) =>
    piece.kind === 'frame' ? asText(piece.bytes) : `${piece.reason}:${piece.bytes}`,
  );
}

function pushAll(framing: DelimitedFraming, ...chunks: readonly Uint8Array[]): string[] {
  const framer = new DelimitedFramer(framing);
  return chunks.flatMap((chunk) => shown(framer.push(chunk)));
}

test('a captured EAN-13 with CR is one frame', () => {
  const frame = captured.ean13WithAimCr;
  expect(pushAll(crOrLf, frame)).toEqual([']E04006381333931']);
});

test('a captured GS1-128 with CR LF keeps its group separator', () => {
  const frame = captured.gs1128WithGsCrLf;
  expect(pushAll(crOrLf, frame)).toEqual([']C1010400638133393110ABC\x1d21XYZ']);
});

test('two frames in a chunk are two frames', () => {
  expect(pushAll(crOrLf, text('one\rtwo\r'))).toEqual(['one', 'two']);
});

test('a frame in three chunks is one frame', () => {
  expect(pushAll(crOrLf, text('40063'), text('8133'), text('3931\r'))).toEqual(['4006381333931']);
});

test('frames that come byte by byte are the same frames', () => {
  const bytes = text('one\r\ntwo\nthree\r');
  expect(pushAll(crOrLf, ...Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual([
    'one',
    'two',
    'three',
  ]);
});

test('CR LF split across reads gives no empty second frame', () => {
  expect(pushAll(crOrLf, text('one\r'), text('\ntwo\r'), text('\n'))).toEqual(['one', 'two']);
  expect(pushAll({ terminators: ['cr'] }, text('one\r'), text('\ntwo\r'))).toEqual(['one', 'two']);
});

test('with CR alone as terminator, LF is swallowed only right after it', () => {
  expect(pushAll({ terminators: ['cr'] }, text('one\r\na\nb\r'))).toEqual(['one', 'a\nb']);
});

test('with CR LF as terminator, a lone CR or LF is data', () => {
  const framing: DelimitedFraming = { terminators: ['crlf'] };
  expect(pushAll(framing, text('a\rb\nc\r'), text('\nd\r\r\n'))).toEqual(['a\rb\nc', 'd\r']);
});

test('TAB ends a frame where it is a terminator and is data where it is not', () => {
  expect(pushAll({ terminators: ['tab'] }, text('one\ttwo\t'))).toEqual(['one', 'two']);
  expect(pushAll(crOrLf, text('one\ttwo\r'))).toEqual(['one\ttwo']);
});

test('empty frames are nothing', () => {
  expect(pushAll(crOrLf, text('\r\r\n\n\rone\r\n\r\n'))).toEqual(['one']);
});

test('STX data ETX is a frame', () => {
  const frame = captured.ean13StxEtx;
  expect(pushAll({ terminators: [], stxEtx: true }, frame)).toEqual(['4006381333931']);
});

test('STX data CR LF ETX is the data alone', () => {
  const frame = captured.rfidStxCrLfEtx;
  expect(pushAll({ terminators: [], stxEtx: true }, frame)).toEqual(['010EA58A83']);
  expect(pushAll({ terminators: ['cr', 'lf'], stxEtx: true }, frame, frame)).toEqual([
    '010EA58A83',
    '010EA58A83',
  ]);
});

test('a line end after ETX is no frame of its own', () => {
  expect(
    pushAll({ terminators: ['cr', 'lf'], stxEtx: true }, text('\x02one\x03\r\n\x02two\x03\r\n')),
  ).toEqual(['one', 'two']);
});

test('bytes outside STX…ETX are noise, and the frame after them is whole', () => {
  expect(pushAll({ terminators: [], stxEtx: true }, text('xyz\x02one\x03'))).toEqual(['unframed:3', 'one']);
});

test('a frame whose ETX was lost is noise, and the next one is whole', () => {
  expect(pushAll({ terminators: [], stxEtx: true }, text('\x02lost\x02one\x03'))).toEqual([
    'unfinished:4',
    'one',
  ]);
});

test('the configured prefix is stripped where it is found', () => {
  const framing: DelimitedFraming = { terminators: ['cr'], prefix: hex('7E 41') };
  expect(pushAll(framing, text('~Aone\rtwo\r~A\r'))).toEqual(['one', 'two']);
});

test('a prefix within STX…ETX is stripped too', () => {
  const framing: DelimitedFraming = { terminators: [], stxEtx: true, prefix: text('>') };
  expect(pushAll(framing, text('\x02>one\x03'))).toEqual(['one']);
});

test('a quiet line ends a frame that has no terminator', () => {
  const framer = new DelimitedFramer({ terminators: [] });
  expect(shown(framer.push(text('4006381')))).toEqual([]);
  expect(shown(framer.push(text('333931')))).toEqual([]);
  expect(shown(framer.flush())).toEqual(['4006381333931']);
  expect(framer.unfinished).toBe(false);
  expect(shown(framer.flush())).toEqual([]);
});

test('a line quiet for too long drops what was begun, so it is never glued to the next card', () => {
  const framer = new DelimitedFramer(crOrLf);
  framer.push(text('4006'));
  expect(shown(framer.discard())).toEqual(['unfinished:4']);
  expect(shown(framer.push(text('one\r')))).toEqual(['one']);
});

test('a quiet line does not make a frame of STX without ETX', () => {
  const framer = new DelimitedFramer({ terminators: [], stxEtx: true });
  framer.push(text('\x02400'));
  expect(shown(framer.flush())).toEqual(['unfinished:3']);
  expect(shown(framer.push(text('\x02one\x03')))).toEqual(['one']);
});

test('a frame of exactly the limit is a frame; one byte more is noise up to the terminator, then all is well', () => {
  const framing: DelimitedFraming = { ...crOrLf, limitBytes: 8 };
  expect(pushAll(framing, text('12345678\r'))).toEqual(['12345678']);
  expect(pushAll(framing, text('123456789\rgood\r'))).toEqual(['overlong:8', 'excess:1', 'good']);
  expect(pushAll({ terminators: ['crlf'], limitBytes: 8 }, text('12345678\r\n'))).toEqual(['12345678']);
});

test('an STX frame past the limit does not swallow the lines after it', () => {
  const framing: DelimitedFraming = { ...crOrLf, stxEtx: true, limitBytes: 4 };
  expect(pushAll(framing, text('\x0212345678901\rgood\r'))).toEqual([
    'overlong:4',
    'excess:4',
    'excess:3',
    'good',
  ]);
});

test('10 MB without a terminator stay within the limit, every byte counted, and the next scan is read', () => {
  const framer = new DelimitedFramer(crOrLf);
  const chunk = new Uint8Array(64 * 1024).fill(0x41);
  let noiseBytes = 0;
  let mostBuffered = 0;
  let overlong = 0;
  const count = (pieces: readonly (Frame | Noise)[]): void => {
    for (const piece of pieces) {
      if (piece.kind === 'noise') noiseBytes += piece.bytes;
      if (piece.kind === 'noise' && piece.reason === 'overlong') overlong += 1;
    }
    mostBuffered = Math.max(mostBuffered, framer.bufferedBytes);
  };
  for (let i = 0; i < 160; i += 1) count(framer.push(chunk));
  const last = framer.push(text('\rgood\r'));
  count(last);
  expect(overlong).toBe(1);
  expect(mostBuffered).toBeLessThanOrEqual(8192);
  expect(noiseBytes).toBe(160 * 64 * 1024);
  expect(shown(last).at(-1)).toBe('good');
});

test('10 MB byte by byte are done in a moment', () => {
  const framer = new DelimitedFramer(crOrLf);
  const one = Uint8Array.of(0x41);
  for (let i = 0; i < 10_000_000; i += 1) framer.push(one);
  expect(framer.bufferedBytes).toBeLessThanOrEqual(8192);
});

test('a frame is a copy: the chunk it came from may be overwritten', () => {
  const framer = new DelimitedFramer(crOrLf);
  const chunk = text('one\r');
  const [frame] = framer.push(chunk);
  chunk.fill(0);
  framer.push(text('two\r'));
  expect(shown(frame === undefined ? [] : [frame])).toEqual(['one']);
});

const anyFraming: fc.Arbitrary<DelimitedFraming> = fc.record({
  terminators: fc.subarray<Terminator>(['cr', 'lf', 'crlf', 'tab']),
  stxEtx: fc.boolean(),
  prefix: fc.constantFrom(new Uint8Array(), text('A'), text('AB')),
  limitBytes: fc.integer({ min: 1, max: 12 }),
});
/** Binary garbage, but mostly the bytes that mean something. */
const anyBytes = fc
  .uint8Array({ max: 255, maxLength: 120 })
  .chain((garbage) =>
    fc
      .array(fc.constantFrom(0x02, 0x03, 0x09, 0x0a, 0x0d, 0x41, 0x42), { maxLength: 120 })
      .map((telling) => Uint8Array.from([...telling, ...garbage, ...telling])),
  );

function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

test('any split of the bytes gives the same frames and the same noise, within the limit', () => {
  fc.assert(
    fc.property(anyFraming, anyBytes, fc.array(fc.nat(), { maxLength: 20 }), (framing, bytes, cuts) => {
      const framer = new DelimitedFramer(framing);
      const inPieces: string[] = [];
      for (const chunk of split(bytes, cuts)) {
        inPieces.push(...shown(framer.push(chunk)));
        expect(framer.bufferedBytes).toBeLessThanOrEqual(framing.limitBytes ?? 0);
      }
      expect(inPieces).toEqual(pushAll(framing, bytes));
    }),
    { numRuns: 500 },
  );
});

test('frames with a terminator between them come back byte for byte', () => {
  const frame = fc
    .uint8Array({ minLength: 1, maxLength: 40 })
    .filter((bytes) => !bytes.includes(0x0d) && !bytes.includes(0x0a));
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), fc.constantFrom('\r', '\n', '\r\n'), (frames, end) => {
      const sent = Uint8Array.from(frames.flatMap((bytes) => [...bytes, ...text(end)]));
      expect(pushAll(crOrLf, sent)).toEqual(frames.map(asText));
    }),
  );
});
