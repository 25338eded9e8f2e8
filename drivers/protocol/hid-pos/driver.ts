import { asError, StammkundeError } from '../../../foundation/errors.ts';
import type { Driver, OpenDriver, ReaderPorts } from '../../driver.ts';
import { Scan } from '../../driver.ts';
import { readReportDescriptor } from '../../hid/report-descriptor.ts';
import { openHidSource } from '../../transport/hid-source.ts';
import type { HidDevice, OpenHid } from '../../transport/hid-device.ts';
import type { HidPosPiece } from './codec.ts';
import { CHAIN_GAP_MS, HidPosDecoder } from './codec.ts';
import type { HidPosConfig } from './config.ts';
import { knownLayouts, layoutOfVendor } from './known-layouts.ts';
import type { ScanLayout } from './layout.ts';
import { scanLayoutOf } from './layout.ts';

/** Bar Code Scanner Page of the HID Usage Tables. */
const BARCODE_SCANNER_PAGE = 0x8c;
/** Reports this soon after opening were queued before it, ms: a scan nobody was there for. */
const STALE_MS = 250;

/**
 * A barcode scanner in USB HID POS mode.
 *
 * ```
 *   HID device → report descriptor → layout
 *           └──► reports ──────────► decoder → Scan
 *                                       └────► noise, or a reply of the scanner: counted, no scan
 * ```
 * The returned {@link Driver} throws, beyond what that promises, DRV_AMBIGUOUS, DRV_HID_MODE, DRV_HID_LAYOUT, DRV_LIBRARY.
 * @param openHid instead of the one the configuration names, such as a MemoryHidDevice's
 */
export function hidPosDriver(config: HidPosConfig, openHid?: OpenHid): Driver {
  return async (ports) => {
    const open = openHid ?? (await attachedDevice(config));
    const reading = new Reading(config, ports);
    try {
      const device = await open({
        clock: ports.clock,
        signal: ports.signal,
        onReport: (report, atMonotonicMs) => reading.push(report, atMonotonicMs),
        onLost: (error) => {
          reading.end();
          ports.onLost(error);
        },
      });
      return await ready(device, reading, config, ports);
    } catch (error) {
      reading.end();
      throw error;
    }
  };
}

async function attachedDevice({ device }: HidPosConfig): Promise<OpenHid> {
  return openHidSource(device, { wanted: [{ page: BARCODE_SCANNER_PAGE }] });
}

async function ready(
  device: HidDevice,
  reading: Reading,
  config: HidPosConfig,
  ports: ReaderPorts,
): Promise<OpenDriver> {
  const driver: OpenDriver = {
    close: () => {
      reading.end();
      return device.close();
    },
  };
  try {
    reading.begin(layoutFor(config, device));
    if (takesEnabling(device)) await enable(device, ports);
    return driver;
  } catch (error) {
    await driver.close().catch(() => {}); // why it is given up matters more
    throw error;
  }
}

/** @throws StammkundeError DRV_HID_MODE, DRV_HID_LAYOUT */
function layoutFor({ layout, id }: HidPosConfig, device: HidDevice): ScanLayout {
  if (layout !== 'auto') return knownLayouts[layout];
  const known = layoutOfVendor(device.identity.vendorId);
  if (device.reportDescriptor === undefined) {
    if (known !== undefined) return known;
    throw new StammkundeError(
      'DRV_HID_LAYOUT',
      `this system does not tell how the scanner ${id} lays out its reports; name it as layout`,
    );
  }
  const reading = readReportDescriptor(device.reportDescriptor);
  switch (reading.kind) {
    case 'malformed':
      if (known !== undefined) return known;
      throw new StammkundeError(
        'DRV_HID_LAYOUT',
        `the report descriptor of ${id} is not valid at byte ${reading.atByte}: ${reading.why}`,
      );
    case 'read': {
      const described = scanLayoutOf(reading.descriptor);
      if (described !== undefined) return described;
      throw new StammkundeError('DRV_HID_MODE', `the device of ${id} describes no report with scanned data`);
    }
  }
}

/** Honeywell scanners keep silent in HID POS mode until they are told that somebody listens (feature report FE = 1). */
const ENABLE = Uint8Array.of(0xfe, 0x01);
const toldToSend: ReadonlySet<number> = new Set([0x0c2e, 0x23d0]);

function takesEnabling(device: HidDevice): boolean {
  if (!toldToSend.has(device.identity.vendorId)) return false;
  if (device.reportDescriptor === undefined) return true;
  const reading = readReportDescriptor(device.reportDescriptor);
  return (
    reading.kind === 'malformed' ||
    reading.descriptor.reports.some(({ kind, id }) => kind === 'feature' && id === ENABLE[0])
  );
}

/** A scanner that refuses may well send all the same: it is logged, and the reader is kept. */
async function enable(device: HidDevice, { log, readerId }: ReaderPorts): Promise<void> {
  try {
    await device.sendFeature(ENABLE);
  } catch (error) {
    log.warn({ event: 'hid-pos.enable-refused', readerId, error: asError(error) });
  }
}

/** What arrives from one opening to its end. */
class Reading {
  readonly #config: HidPosConfig;
  readonly #ports: ReaderPorts;
  #decoder: HidPosDecoder | undefined;
  #over = false;
  #cancelGap: () => void = () => {};

  constructor(config: HidPosConfig, ports: ReaderPorts) {
    this.#config = config;
    this.#ports = ports;
  }

  begin(layout: ScanLayout): void {
    this.#decoder = new HidPosDecoder({
      layout,
      limitBytes: this.#config.limitBytes,
      stripSuffix: this.#config.suffix === 'strip',
      aimInData: this.#config.aim,
      staleUntilMonotonicMs: this.#ports.clock.monotonicMs() + STALE_MS,
    });
  }

  push(report: Uint8Array, atMonotonicMs: number): void {
    if (this.#over) return;
    this.#cancelGap();
    this.#cancelGap = () => {};
    const decoder = this.#decoder;
    if (decoder === undefined) {
      // Before it is known how to read it, it can only be left over from before.
      this.#ports.onNoise({ kind: 'noise', reason: 'unframed', bytes: report.length });
      return;
    }
    this.#emit(decoder.push(report, atMonotonicMs), atMonotonicMs);
    if (decoder.unfinished && !this.#isOver()) {
      this.#cancelGap = this.#ports.clock.schedule(CHAIN_GAP_MS, () =>
        this.#emit(decoder.discard(), atMonotonicMs),
      );
    }
  }

  end(): void {
    this.#over = true;
    this.#cancelGap();
  }

  #emit(pieces: readonly HidPosPiece[], atMonotonicMs: number): void {
    const { clock, readerId } = this.#ports;
    for (const piece of pieces) {
      if (this.#over) return;
      switch (piece.kind) {
        case 'noise':
          this.#ports.onNoise(piece);
          break;
        case 'reply':
          this.#ports.onFrame();
          break;
        case 'scan':
          this.#ports.onFrame();
          this.#ports.onScan(
            new Scan({
              readerId,
              symbology: piece.symbology ?? this.#config.symbology,
              ...(piece.aim === undefined ? {} : { aim: piece.aim }),
              payload: piece.payload,
              receivedAtMonotonicMs: atMonotonicMs,
              receivedAt: clock.now() - (clock.monotonicMs() - atMonotonicMs),
            }),
          );
          break;
      }
    }
  }

  /** Read anew after a callback: it may close the reader. */
  #isOver(): boolean {
    return this.#over;
  }
}
