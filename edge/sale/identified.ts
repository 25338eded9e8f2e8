import type { Instant } from '../../foundation/clock.ts';
import type { IdentifierKind, TrustLevel } from '../../sync/contract/credential.ts';
import type { BlindIndex } from '../../sync/contract/blind-index.ts';
import type { BankCardScheme } from '../../sync/contract/link.ts';
import type { CustomerDocument } from '../../sync/contract/replica-documents.ts';

/**
 * Whose credential it is, as far as the till can tell. `unknown` is the word of the server, or of a complete replica;
 * `unreached` says that it is not on this till and the server did not answer.
 */
export type IdentifiedAs =
  | {
      readonly verdict: 'known';
      readonly customer: CustomerDocument;
      /** When the server told of the customer itself; absent of one the replica holds, who is as fresh as it is. */
      readonly toldAt?: Instant | undefined;
    }
  | { readonly verdict: 'blocked' }
  | { readonly verdict: 'expired'; readonly since: number }
  | { readonly verdict: 'unknown' }
  | { readonly verdict: 'unreached' };

/** One identification as a sale needs it: the number itself stays behind. */
export interface Identified {
  /** UUID of this identification. */
  readonly identificationId: string;
  /** Masked, for people: what `Credential.toString()` gives. Shown, never stored. */
  readonly credential: string;
  readonly index: BlindIndex;
  readonly kind: IdentifierKind;
  readonly trust: TrustLevel;
  readonly as: IdentifiedAs;
  /** What a bank card's alias is, as long as it has not been to the disk; absent for all other credentials. */
  readonly bankCard?: BankCardScheme;
}
