import type { ReaderPorts } from '../../driver.ts';
import { Scan } from '../../driver.ts';
import type { StripeReading, WantedTrack } from './stripe-reading.ts';
import { swipePayload } from './stripe-reading.ts';

/** Makes at most one scan of each swipe, and tells of what becomes none. */
export class StripeDesk {
  readonly #wanted: WantedTrack;
  readonly #ports: ReaderPorts;

  constructor(wanted: WantedTrack, ports: ReaderPorts) {
    this.#wanted = wanted;
    this.#ports = ports;
  }

  /**
   * The scan of a swipe; its payload is a copy, so that what was read can be overwritten.
   * @param bytes how many the reader sent for it
   * @param frame the characters it sent, where it sends characters; handed over, not copied
   */
  take(reading: StripeReading, bytes: number, atMonotonicMs: number, frame?: Uint8Array): Scan | undefined {
    const { clock, log, readerId } = this.#ports;
    switch (reading.kind) {
      case 'nothing':
        this.#ports.onFrame();
        return undefined;
      case 'malformed':
        this.#ports.onNoise({ kind: 'noise', reason: 'unframed', bytes });
        return undefined;
      case 'encrypted':
        log.info({ event: 'magstripe.encrypted', code: 'MSR_ENCRYPTED', readerId });
        this.#ports.onNoise({ kind: 'noise', reason: 'encrypted', bytes });
        return undefined;
      case 'swipe':
        this.#ports.onFrame();
        return new Scan({
          readerId,
          symbology: 'magstripe',
          payload: swipePayload(reading, this.#wanted),
          ...(frame === undefined ? {} : { frame }),
          receivedAtMonotonicMs: atMonotonicMs,
          receivedAt: clock.now() - (clock.monotonicMs() - atMonotonicMs),
        });
    }
  }
}
