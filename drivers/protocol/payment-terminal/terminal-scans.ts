import type { ReaderPorts } from '../../driver.ts';
import { Scan } from '../../driver.ts';
import type { CardIdentity, TerminalReading } from './card-identity.ts';

/**
 * Makes scans of what a terminal told, and says in the log what it refused. Of a card number nothing is here to be
 * logged: only how often one was found, and in what.
 *
 * | symbology     | payload                                                         |
 * | ------------- | --------------------------------------------------------------- |
 * | `wallet-pass` | the loyalty number out of the pass, as it stands there          |
 * | `emv-par`     | 29 ASCII characters                                             |
 * | `card-token`  | `<kind>:<hex>`, lower case, such as `1f8008:8a01…` (ASCII)      |
 */
export class TerminalScans {
  readonly #ports: ReaderPorts;
  #cardNumbers = 0;

  constructor(ports: ReaderPorts) {
    this.#ports = ports;
  }

  /** Unmasked card numbers found and overwritten since the reader was opened. */
  get cardNumbers(): number {
    return this.#cardNumbers;
  }

  /**
   * A pass comes before the card it was presented with: it is what the customer held out to be known by.
   * @param atMonotonicMs when the last byte of the message arrived
   * @returns the scans handed on
   */
  take(reading: TerminalReading, atMonotonicMs: number): readonly Scan[] {
    this.#report(reading);
    const { readerId, clock } = this.#ports;
    const times = {
      receivedAtMonotonicMs: atMonotonicMs,
      receivedAt: clock.now() - (clock.monotonicMs() - atMonotonicMs),
    };
    const scans: Scan[] = [];
    if (reading.walletId !== undefined) {
      scans.push(new Scan({ readerId, symbology: 'wallet-pass', payload: reading.walletId, ...times }));
    }
    if (reading.identity !== undefined) {
      scans.push(new Scan({ readerId, ...presented(reading.identity), ...times }));
    }
    for (const scan of scans) this.#ports.onScan(scan);
    return scans;
  }

  /** What a reading refused, without handing anything on. */
  refuse(reading: TerminalReading): void {
    this.#report(reading);
  }

  #report(reading: TerminalReading): void {
    const { log, readerId } = this.#ports;
    if (reading.cardNumbers.length > 0) {
      this.#cardNumbers += reading.cardNumbers.length;
      log.warn({
        event: 'terminal.card-number',
        code: 'PAN_REJECTED',
        readerId,
        foundIn: [...new Set(reading.cardNumbers)],
        count: this.#cardNumbers,
      });
    }
    log.debug({
      event: 'terminal.reading',
      readerId,
      outcome: reading.outcome,
      identity: reading.identity?.kind ?? 'none',
      walletPass: reading.walletId !== undefined,
      cardType: reading.cardType,
      malformed: reading.malformed,
    });
  }
}

function presented(identity: CardIdentity): {
  readonly symbology: 'emv-par' | 'card-token';
  readonly payload: Uint8Array;
} {
  switch (identity.kind) {
    case 'par':
      return { symbology: 'emv-par', payload: identity.par };
    case 'token': {
      const text = `${identity.tokenKind}:${Buffer.from(identity.token).toString('hex')}`;
      return { symbology: 'card-token', payload: Uint8Array.from(Buffer.from(text, 'latin1')) };
    }
  }
}
