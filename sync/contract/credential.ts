import { inspect } from 'node:util';

/** What kind of number a credential carries. Each kind has its own blind-index key, so indexes cannot be joined. */
export const identifierKinds = ['card', 'gsrn', 'app', 'bankcard'] as const;
export type IdentifierKind = (typeof identifierKinds)[number];

/** How far a presented credential may be trusted: L0 typed, L1 static code or stripe, L2 code verified online, L3 fresh device signature, L4 the same verified online. */
export const trustLevels = ['L0', 'L1', 'L2', 'L3', 'L4'] as const;
export type TrustLevel = (typeof trustLevels)[number];

/** Numbers shorter than this show none of their characters. */
const SHOWN_FROM_LENGTH = 8;

/**
 * A customer's identifier as it was presented, in canonical form. It lives in memory only: at rest there is just its
 * blind index. However it is printed, logged or serialised, it shows no more than its last four characters.
 */
export class Credential {
  readonly kind: IdentifierKind;
  /** Name of the card scheme that recognised it. */
  readonly scheme: string;
  readonly trust: TrustLevel;
  readonly #value: string;

  constructor(kind: IdentifierKind, scheme: string, trust: TrustLevel, value: string) {
    this.kind = kind;
    this.scheme = scheme;
    this.trust = trust;
    this.#value = value;
  }

  /** The canonical number, for computing its blind index. Never log, send or store it. */
  reveal(): string {
    return this.#value;
  }

  /**
   * For people: `card …4821`; of a number so short that this would give it away, the kind alone, and of a bank card
   * too: the end of its alias is not what is printed on it.
   */
  toString(): string {
    return this.kind === 'bankcard' || this.#value.length < SHOWN_FROM_LENGTH
      ? this.kind
      : `${this.kind} …${this.#value.slice(-4)}`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}
