import type { Clock } from '../../../foundation/clock.ts';
import type { Driver, ReaderPorts } from '../../driver.ts';
import { Scan } from '../../driver.ts';
import type { Frame, Noise } from '../../framing/frame.ts';
import { readReportDescriptor } from '../../hid/report-descriptor.ts';
import { keyboardLayouts } from '../../keyboard/keyboard-layouts.ts';
import { readAim } from '../../symbology/aim.ts';
import type { Symbology } from '../../symbology/symbology.ts';
import { openHidSource } from '../../transport/hid-source.ts';
import type { OpenHid } from '../../transport/hid-device.ts';
import { restoreGs } from '../scanner/gs-substitute.ts';
import type { KeyboardWedgeConfig } from './config.ts';
import { usageOfFunctionKey } from './config.ts';
import type { KeyboardReportFormat } from './keyboard-report.ts';
import { bootKeyboardReport, keyboardReports } from './keyboard-report.ts';
import { KeystrokeDecoder } from './keystroke-decoder.ts';

/**
 * A scanner that types like a keyboard, read at its USB interface.
 *
 * ```
 *   HID reports → keystroke decoder → frame → prefix, suffix → AIM identifier → Scan with its layout
 *                              └─► noise                                  └─► reply of the scanner: counted, no scan
 * ```
 *
 * Shared (hidraw), the operating system goes on to treat it as a keyboard: every keystroke also reaches the window that
 * has the focus. Exclusive (libusb), the kernel's driver is detached while it is open, and nothing is typed.
 *
 * @param openHid instead of the device the configuration names
 */
export function keyboardWedgeDriver(config: KeyboardWedgeConfig, openHid?: OpenHid): Driver {
  return async (ports) => {
    const open = openHid ?? (await openConfigured(config));
    const reader = new WedgeReader(config, ports);
    try {
      const device = await open({
        clock: ports.clock,
        signal: ports.signal,
        onReport: (report, atMonotonicMs) => reader.push(report, atMonotonicMs),
        onLost: (error) => {
          reader.close();
          ports.onLost(error);
        },
      });
      reader.understand(formatsOf(device.reportDescriptor));
      return {
        close: async () => {
          reader.close();
          await device.close();
        },
      };
    } catch (error) {
      reader.close();
      throw error;
    }
  };
}

/** Keys this soon after opening belong to a scan whose beginning nobody saw; it is left out up to the next pause. */
const JUST_OPENED_MS = 100;

const KEYBOARD = { page: 0x01, id: 0x06 };
const KEYPAD = { page: 0x01, id: 0x07 };

async function openConfigured({ device, exclusive }: KeyboardWedgeConfig): Promise<OpenHid> {
  return openHidSource(device, { access: exclusive ? 'libusb' : 'hidraw', wanted: [KEYBOARD, KEYPAD] });
}

function formatsOf(descriptor: Uint8Array | undefined): readonly KeyboardReportFormat[] {
  const reading = descriptor === undefined ? undefined : readReportDescriptor(descriptor);
  const formats = reading?.kind === 'read' ? keyboardReports(reading.descriptor) : [];
  return formats.length > 0 ? formats : [bootKeyboardReport];
}

/** The shell of {@link KeystrokeDecoder}: it knows what time it is, and makes scans of frames. */
class WedgeReader {
  readonly #config: KeyboardWedgeConfig;
  readonly #ports: ReaderPorts;
  readonly #clock: Clock;
  #decoder: KeystrokeDecoder;
  #lastReportAtMonotonicMs = 0;
  /** Since when the device can be relied on to show the whole of a scan; undefined while it is opening. */
  #openSinceMonotonicMs: number | undefined;
  #headMissed = false;
  #closed = false;
  #cancelGap: () => void = () => {};

  constructor(config: KeyboardWedgeConfig, ports: ReaderPorts) {
    this.#config = config;
    this.#ports = ports;
    this.#clock = ports.clock;
    this.#decoder = decoderFor(config, [bootKeyboardReport]);
  }

  /** How the device's reports are made up, once that is known. */
  understand(formats: readonly KeyboardReportFormat[]): void {
    this.#decoder = decoderFor(this.#config, formats);
    this.#openSinceMonotonicMs = this.#clock.monotonicMs();
  }

  push(report: Uint8Array, atMonotonicMs: number): void {
    if (this.#closed) return;
    this.#cancelGap();
    this.#lastReportAtMonotonicMs = atMonotonicMs;
    const since = this.#openSinceMonotonicMs;
    this.#headMissed ||= since === undefined || atMonotonicMs - since < JUST_OPENED_MS;
    if (this.#headMissed) this.#ports.onNoise({ kind: 'noise', reason: 'unframed', bytes: report.length });
    else this.#emit(this.#decoder.push(report));
    if (!this.#isClosed()) this.#armGap();
  }

  close(): void {
    this.#closed = true;
    this.#cancelGap();
  }

  #armGap(): void {
    const { idleGapMs, unfinishedMs } = this.#config;
    const quietMs = this.#headMissed ? JUST_OPENED_MS : (idleGapMs ?? unfinishedMs);
    this.#cancelGap = this.#clock.schedule(quietMs, () => {
      // A process that stood still sees its timer before the reports that wait for it: they get one more turn, and end
      // the wait as any report does.
      this.#cancelGap = this.#clock.schedule(0, () => {
        this.#emit(idleGapMs === undefined ? this.#decoder.discard() : this.#decoder.flush());
        this.#decoder.rest();
        this.#headMissed = false;
      });
    });
  }

  /** Read anew after each callback: a listener may close the reader. */
  #isClosed(): boolean {
    return this.#closed;
  }

  #emit(pieces: readonly (Frame | Noise)[]): void {
    for (const piece of pieces) {
      if (this.#closed) return;
      switch (piece.kind) {
        case 'noise':
          this.#ports.onNoise(piece);
          break;
        case 'frame': {
          this.#ports.onFrame();
          const scan = this.#scanOf(piece.bytes);
          if (scan !== undefined) this.#ports.onScan(scan);
          break;
        }
      }
    }
  }

  #scanOf(typed: Uint8Array): Scan | undefined {
    const frame = bare(this.#config, typed);
    const reading = this.#config.aim === 'auto' ? readAim(frame) : ({ kind: 'none' } as const);
    if (reading.kind === 'reply') return undefined;
    const symbology = reading.kind === 'data' ? reading.symbology : this.#config.symbology;
    const payload = withGs(this.#config, symbology, reading.kind === 'data' ? reading.payload : frame);
    if (payload.length === 0) return undefined;
    const receivedAtMonotonicMs = this.#lastReportAtMonotonicMs;
    return new Scan({
      readerId: this.#ports.readerId,
      symbology,
      ...(reading.kind === 'data' ? { aim: reading.aim } : {}),
      layout: this.#config.layout,
      payload,
      frame,
      receivedAtMonotonicMs,
      receivedAt: this.#clock.now() - (this.#clock.monotonicMs() - receivedAtMonotonicMs),
    });
  }
}

function decoderFor(config: KeyboardWedgeConfig, formats: readonly KeyboardReportFormat[]): KeystrokeDecoder {
  const { layout, terminators, limitCharacters, capsLock, encoding, gsKey } = config;
  return new KeystrokeDecoder({
    layout: keyboardLayouts[layout],
    formats,
    terminators,
    limitCharacters,
    capsLock,
    encoding,
    ...(gsKey === undefined ? {} : { gsKey: usageOfFunctionKey(gsKey) }),
  });
}

/** Without the prefix and suffix of the configuration, each where it is found. */
function bare({ prefix, suffix, encoding }: KeyboardWedgeConfig, typed: Uint8Array): Uint8Array {
  const bytes = Buffer.from(typed.buffer, typed.byteOffset, typed.byteLength);
  const head = encoded(prefix ?? '', encoding);
  const start = bytes.subarray(0, head.length).equals(head) ? head.length : 0;
  const tail = encoded(suffix ?? '', encoding);
  const rest = bytes.subarray(start);
  const end = rest.length >= tail.length && rest.subarray(rest.length - tail.length).equals(tail);
  return typed.subarray(start, end ? typed.length - tail.length : typed.length);
}

/** Only where the separator can be meant: a house card may well contain the substitute as itself. */
function withGs(
  { gsSubstitute, encoding }: KeyboardWedgeConfig,
  symbology: Symbology,
  payload: Uint8Array,
): Uint8Array {
  if (gsSubstitute === undefined) return payload;
  if (!symbology.startsWith('gs1-') && symbology !== 'unknown') return payload;
  return restoreGs(payload, encoded(gsSubstitute, encoding));
}

function encoded(text: string, encoding: KeyboardWedgeConfig['encoding']): Buffer {
  return Buffer.from(text, encoding === 'utf-8' ? 'utf8' : 'latin1');
}
