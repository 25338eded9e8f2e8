import type { Driver, ReaderPorts } from '../../driver.ts';
import { openHidSource } from '../../transport/hid-source.ts';
import type { OpenHid } from '../../transport/hid-device.ts';
import type { MagstripeConfig } from './config.ts';
import type { IdTechPiece } from './id-tech.ts';
import { IdTechFramer, idTechOutput, readIdTechFrame, readIdTechReport } from './id-tech.ts';
import { isMagTekLength, isWithdrawal, readMagTekReport } from './magtek.ts';
import { StripeDesk } from './stripe-desk.ts';
import type { StripeReading } from './stripe-reading.ts';

/** Reports this soon after opening were queued before it, ms: a card nobody was there for. */
const STALE_MS = 250;
/** Reports of one swipe follow each other at once; later than this, ms, they are of another. */
const CHAIN_GAP_MS = 1000;

/**
 * A magnetic stripe reader on USB in HID mode.
 *
 * ```
 *   HID device → report → tracks → Scan of all of them, the one with the loyalty number first
 *                            ├───► unreadable: Scan of the error form (`;E?`), which is to be swiped again
 *                            └───► encrypted: a bank card, counted and forgotten, no scan
 * ```
 * Every report is overwritten once it is read. The returned {@link Driver} throws, beyond what that promises,
 * DRV_AMBIGUOUS and DRV_LIBRARY.
 * @param openHid instead of the one the configuration names, such as a MemoryHidDevice's
 */
export function magstripeDriver(config: MagstripeConfig, openHid?: OpenHid): Driver {
  return async (ports) => {
    const open = openHid ?? (await openHidSource(config.device));
    const swipes = new Swipes(config, ports);
    try {
      const device = await open({
        clock: ports.clock,
        signal: ports.signal,
        onReport: (report, atMonotonicMs) => swipes.push(report, atMonotonicMs),
        onLost: (error) => {
          swipes.lose();
          ports.onLost(error);
        },
      });
      swipes.begin(device.identity.vendorId);
      return {
        close: () => {
          swipes.end();
          return device.close();
        },
      };
    } catch (error) {
      swipes.end();
      throw error;
    }
  };
}

type Format = 'magtek' | 'id-tech';

const formatOfVendor: ReadonlyMap<number, Format> = new Map<number, Format>([
  [0x0801, 'magtek'],
  [0x0acd, 'id-tech'],
]);

/** What arrives from one opening to its end. */
class Swipes {
  readonly #config: MagstripeConfig;
  readonly #ports: ReaderPorts;
  readonly #desk: StripeDesk;
  readonly #framer = new IdTechFramer();
  #vendorFormat: Format | undefined;
  #freshFromMonotonicMs = Number.POSITIVE_INFINITY;
  #over = false;
  /** The card in an insert reader was read on its way in: what is read on its way out is the same card. */
  #readOnInsertion = false;
  #cancelGap: () => void = () => {};

  constructor(config: MagstripeConfig, ports: ReaderPorts) {
    this.#config = config;
    this.#ports = ports;
    this.#desk = new StripeDesk(config.track, ports);
  }

  begin(vendorId: number): void {
    this.#vendorFormat = formatOfVendor.get(vendorId);
    this.#freshFromMonotonicMs = this.#ports.clock.monotonicMs() + STALE_MS;
  }

  push(report: Uint8Array, atMonotonicMs: number): void {
    if (this.#over || report.length === 0) return;
    this.#cancelGap();
    this.#cancelGap = () => {};
    if (atMonotonicMs < this.#freshFromMonotonicMs) {
      this.#ports.onNoise({ kind: 'noise', reason: 'unframed', bytes: report.length });
    } else {
      this.#read(report, atMonotonicMs);
    }
    report.fill(0);
    if (this.#framer.unfinished && !this.#isOver()) {
      this.#cancelGap = this.#ports.clock.schedule(CHAIN_GAP_MS, () =>
        this.#pieces(this.#framer.discard(), atMonotonicMs),
      );
    }
  }

  /** The device is gone: half a swipe is noise, and never the head of the next one. */
  lose(): void {
    if (!this.#over) this.#pieces(this.#framer.discard(), 0);
    this.end();
  }

  end(): void {
    this.#over = true;
    this.#cancelGap();
    this.#framer.wipe();
  }

  #read(report: Uint8Array, atMonotonicMs: number): void {
    // Each of ID TECH's models can be set to MagTek's structure, and tells so by the length alone.
    const { format } = this.#config;
    const magTek =
      format === 'magtek' ||
      (format === 'auto' && (this.#vendorFormat === 'magtek' || isMagTekLength(report.length)));
    if (magTek) {
      this.#hand(this.#once(report, readMagTekReport(report)), report.length, atMonotonicMs);
    } else if (this.#framer.unfinished || idTechOutput(report) === undefined) {
      this.#pieces(this.#framer.push(report), atMonotonicMs);
    } else {
      const reading = readIdTechReport(report);
      const output = idTechOutput(report);
      if (reading.kind === 'malformed' && output !== undefined && output[0] === STX)
        this.#pieces(this.#framer.push(output), atMonotonicMs);
      else this.#hand(reading, report.length, atMonotonicMs);
    }
  }

  #once(report: Uint8Array, reading: StripeReading): StripeReading {
    const withdrawal = isWithdrawal(report);
    const again = withdrawal === true && this.#readOnInsertion;
    this.#readOnInsertion = withdrawal === false && reading.kind === 'swipe' && reading.tracks.length > 0;
    return again ? { kind: 'nothing' } : reading;
  }

  #pieces(pieces: readonly IdTechPiece[], atMonotonicMs: number): void {
    for (const piece of pieces) {
      if (this.#over) return;
      switch (piece.kind) {
        case 'noise':
          this.#ports.onNoise(piece);
          break;
        case 'frame':
          this.#hand(readIdTechFrame(piece.bytes), piece.bytes.length, atMonotonicMs);
          piece.bytes.fill(0);
          break;
      }
    }
  }

  #hand(reading: StripeReading, bytes: number, atMonotonicMs: number): void {
    const scan = this.#desk.take(reading, bytes, atMonotonicMs);
    if (scan !== undefined) this.#ports.onScan(scan);
  }

  /** Read anew after a callback: it may close the reader. */
  #isOver(): boolean {
    return this.#over;
  }
}

const STX = 0x02;
