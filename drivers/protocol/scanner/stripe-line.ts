import type { ReaderPorts } from '../../driver.ts';
import { Scan } from '../../driver.ts';
import { readAim } from '../../symbology/aim.ts';
import { IdTechFramer, readIdTechFrame } from '../magstripe/id-tech.ts';
import { StripeDesk } from '../magstripe/stripe-desk.ts';
import type { StripeReading } from '../magstripe/stripe-reading.ts';
import { isMasked, readTrackText } from '../magstripe/stripe-reading.ts';
import type { ScannerConfig, ScannerFraming } from './config.ts';

/** Longer than any pause between two bytes at 1200 Bd, shorter than a hand needs for the next swipe, ms. */
const QUIET_MS = 50;

/**
 * Readers send each track as a line of its own. Cut at the line ends, a bank card would come as three scans, of which
 * the third may look harmless; so a swipe is all that comes until the line is quiet.
 */
export function swipeFraming(framing: ScannerFraming): ScannerFraming {
  const { limitBytes, unfinishedMs } = framing;
  const rest = { limitBytes, unfinishedMs, terminators: [], stxEtx: false };
  if (framing.kind === 'line') return { kind: 'delimited', ...rest, idleGapMs: QUIET_MS };
  const { prefixHex, idleGapMs } = framing;
  return {
    kind: 'delimited',
    ...rest,
    ...(prefixHex === undefined ? {} : { prefixHex }),
    idleGapMs: idleGapMs ?? QUIET_MS,
  };
}

/**
 * A reader of magnetic stripes that sends characters, or ID TECH's binary output; it may also be a barcode scanner that
 * puts AIM identifiers before its codes.
 */
export class StripeLine {
  readonly #config: ScannerConfig;
  readonly #ports: ReaderPorts;
  readonly #desk: StripeDesk;

  constructor(config: ScannerConfig, ports: ReaderPorts) {
    this.#config = config;
    this.#ports = ports;
    this.#desk = new StripeDesk(config.track, ports);
  }

  /**
   * @param burst all that came until the line was quiet; overwritten, or handed on
   * @param onCode takes each line of it, where it is a barcode
   */
  take(
    burst: Uint8Array,
    atMonotonicMs: number,
    onCode: (line: Uint8Array, atMonotonicMs: number) => void,
  ): void {
    if (this.#config.aim === 'auto' && readAim(burst).kind !== 'none') {
      for (const line of linesOf(burst)) onCode(line, atMonotonicMs);
      return;
    }
    const text = withoutControls(burst);
    const reading = readBinary(burst) ?? readTrackText(text);
    if (reading.kind === 'malformed' && !isMasked(burst)) {
      text.fill(0);
      this.#handOn(trimmed(burst), atMonotonicMs);
      return;
    }
    const frame = trimmed(burst).slice();
    const scan = this.#desk.take(
      reading.kind === 'malformed' ? { kind: 'encrypted' } : reading,
      burst.length,
      atMonotonicMs,
      frame,
    );
    text.fill(0);
    burst.fill(0);
    if (reading.kind === 'swipe') for (const { data } of reading.tracks) data.fill(0);
    if (scan === undefined) frame.fill(0);
    else this.#ports.onScan(scan);
  }

  /** Without sentinels it is what it is: a number alone, or what the recognition of cards makes of it. */
  #handOn(payload: Uint8Array, atMonotonicMs: number): void {
    const { clock, readerId } = this.#ports;
    if (payload.length === 0) return;
    this.#ports.onFrame();
    this.#ports.onScan(
      new Scan({
        readerId,
        symbology: this.#config.symbology,
        payload,
        receivedAtMonotonicMs: atMonotonicMs,
        receivedAt: clock.now() - (clock.monotonicMs() - atMonotonicMs),
      }),
    );
  }
}

/** Undefined where it is no binary output. */
function readBinary(burst: Uint8Array): StripeReading | undefined {
  if (burst[0] !== STX) return undefined;
  const framer = new IdTechFramer();
  const frame = framer.push(burst).find((piece) => piece.kind === 'frame');
  framer.wipe();
  if (frame === undefined) return undefined;
  const reading = readIdTechFrame(frame.bytes);
  return reading.kind === 'malformed' ? { kind: 'encrypted' } : reading;
}

/** What surrounds tracks on a line: STX, ETX, EOT, line ends. */
function withoutControls(burst: Uint8Array): Uint8Array {
  return burst.map((byte) => (byte < SPACE ? SPACE : byte));
}

function linesOf(burst: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let from = 0;
  for (let at = 0; at <= burst.length; at += 1) {
    if (at < burst.length && !lineEnds.has(burst[at] ?? 0)) continue;
    if (at > from) lines.push(burst.slice(from, at));
    from = at + 1;
  }
  return lines;
}

function trimmed(burst: Uint8Array): Uint8Array {
  let [from, to] = [0, burst.length];
  while (from < to && lineEnds.has(burst[from] ?? 0)) from += 1;
  while (to > from && lineEnds.has(burst[to - 1] ?? 0)) to -= 1;
  return burst.subarray(from, to);
}

const STX = 0x02;
const SPACE = 0x20;
/** STX, ETX, EOT, TAB, LF, CR. */
const lineEnds: ReadonlySet<number> = new Set([0x02, 0x03, 0x04, 0x09, 0x0a, 0x0d]);
