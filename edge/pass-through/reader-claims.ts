import type { Clock } from '../../foundation/clock.ts';
import { StammkundeError } from '../../foundation/errors.ts';

/** What a POS asks for. */
export interface ClaimWish {
  readonly readerId: string;
  /** The client as its event `hello` named it. */
  readonly clientId: string;
  readonly leaseMs: number;
  /** False: products are discarded until it is claimed with true again. */
  readonly dataEventEnabled: boolean;
}

/** A claim as it stands. */
export interface ClaimView {
  readonly readerId: string;
  readonly clientId: string;
  readonly dataEventEnabled: boolean;
  readonly leaseEndsInMs: number;
}

interface Claim {
  readonly clientId: string;
  readonly dataEventEnabled: boolean;
  readonly endsMs: number;
}

/**
 * Which client has the products of which reader to itself, after the model of UnifiedPOS (Claim, DataEventEnabled). A
 * claim ends when it is let go, when its client disconnects, or when its lease does, so that none outlives a POS that
 * hangs. Customers are identified in any case: a claim is about products.
 */
export class ReaderClaims {
  readonly #readerIds: ReadonlySet<string>;
  readonly #clock: Clock;
  readonly #claims = new Map<string, Claim>();

  constructor(readerIds: readonly string[], clock: Clock) {
    this.#readerIds = new Set(readerIds);
    this.#clock = clock;
  }

  /**
   * Claims a reader, or renews and changes the client's own claim.
   * @throws StammkundeError READER_NOT_FOUND · CLAIM_HELD
   */
  claim({ readerId, clientId, leaseMs, dataEventEnabled }: ClaimWish): ClaimView {
    this.#mustExist(readerId);
    const held = this.of(readerId);
    if (held !== undefined && held.clientId !== clientId) {
      throw new StammkundeError('CLAIM_HELD', `another client has claimed reader ${readerId}`);
    }
    this.#claims.set(readerId, { clientId, dataEventEnabled, endsMs: this.#clock.monotonicMs() + leaseMs });
    return { readerId, clientId, dataEventEnabled, leaseEndsInMs: leaseMs };
  }

  /**
   * Lets a reader go; harmless when nobody has claimed it.
   * @throws StammkundeError READER_NOT_FOUND · CLAIM_HELD
   */
  release(readerId: string, clientId: string): void {
    this.#mustExist(readerId);
    const held = this.of(readerId);
    if (held === undefined) return;
    if (held.clientId !== clientId) {
      throw new StammkundeError('CLAIM_HELD', `another client has claimed reader ${readerId}`);
    }
    this.#claims.delete(readerId);
  }

  /** The client is gone, and its claims with it. */
  clientGone(clientId: string): void {
    for (const [readerId, claim] of this.#claims) {
      if (claim.clientId === clientId) this.#claims.delete(readerId);
    }
  }

  /** The claim on a reader, if there is one now. */
  of(readerId: string): Claim | undefined {
    const claim = this.#claims.get(readerId);
    if (claim === undefined) return undefined;
    if (claim.endsMs > this.#clock.monotonicMs()) return claim;
    this.#claims.delete(readerId);
    return undefined;
  }

  views(): readonly ClaimView[] {
    return [...this.#claims.keys()].flatMap((readerId) => {
      const claim = this.of(readerId);
      if (claim === undefined) return [];
      const { clientId, dataEventEnabled, endsMs } = claim;
      return [{ readerId, clientId, dataEventEnabled, leaseEndsInMs: endsMs - this.#clock.monotonicMs() }];
    });
  }

  #mustExist(readerId: string): void {
    if (!this.#readerIds.has(readerId)) {
      throw new StammkundeError('READER_NOT_FOUND', 'there is no such reader on this till');
    }
  }
}
