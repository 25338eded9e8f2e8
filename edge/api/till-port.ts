import type { ErrorCode } from '../../foundation/error-codes.ts';
import type { KeyProtection } from '../../foundation/secret-source.ts';
import type { CodeRefusal } from '../recognition/code-refusal.ts';
import type { OutputStatus } from '../pass-through/output.ts';
import type { ClaimView, ClaimWish } from '../pass-through/reader-claims.ts';
import type { Linking } from '../linking/linking.ts';
import type { ReceiptClaims } from '../sale/claims.ts';
import type { Redemptions } from '../sale/redemptions.ts';
import type { Returns } from '../sale/returns.ts';
import type { Sales } from '../sale/sales.ts';
import type { ReaderView, SyncView, TillEvent } from './events.ts';

/** What the till tells of its own accord; `hello` is the API's to make. */
export type TillNews = Exclude<TillEvent, { readonly event: 'hello' | 'heartbeat' }> & {
  /** The one client with the POS's token that is told what was scanned; not part of what is sent. */
  readonly onlyFor?: string;
};
export type IdentifiedNews = Extract<TillEvent, { readonly event: 'identified' }>;
export type LookedUpNews = Extract<TillEvent, { readonly event: 'looked-up' }>;

interface TillStatus {
  readonly sync: SyncView;
  readonly readers: readonly ReaderView[];
  /** How the till's keys rest. */
  readonly keyProtection?: KeyProtection;
  readonly passThrough?: {
    readonly outputs: readonly OutputStatus[];
    readonly claims: readonly ClaimView[];
  };
}

/** What became of a typed number. Refused: a payment card, a wrong check digit, a number of no card scheme. */
export type TypedOutcome =
  | { readonly kind: 'identified'; readonly event: IdentifiedNews }
  | {
      readonly kind: 'refused';
      readonly code: Extract<
        ErrorCode,
        | 'PAN_REJECTED'
        | 'REC_NOT_TEXT'
        | 'REC_TOO_LONG'
        | 'REC_CHECK_DIGIT'
        | 'REC_ALIAS'
        | 'MSR_UNREADABLE'
        | 'MSR_ENCRYPTED'
        | 'CARD_NUMBER_INVALID'
        | CodeRefusal
      >;
      /** One sentence without anything of the number. */
      readonly reason: string;
    };

/** Readers that one client of the POS may have to itself, as far as products go. */
export interface ClaimsPort {
  /** @throws StammkundeError READER_NOT_FOUND · CLAIM_HELD */
  claim(wish: ClaimWish): ClaimView;
  /** @throws StammkundeError READER_NOT_FOUND · CLAIM_HELD */
  release(readerId: string, clientId: string): void;
  clientGone(clientId: string): void;
}

/** The till as the local API needs it. */
export interface TillPort {
  readonly till: string;
  readonly store: string;
  readonly sales: Pick<
    Sales,
    | 'open'
    | 'putBasket'
    | 'attach'
    | 'detach'
    | 'complete'
    | 'void'
    | 'view'
    | 'openViews'
    | 'current'
    | 'waiting'
  >;
  readonly redemptions: Pick<Redemptions, 'redeem' | 'cancel'>;
  readonly receiptClaims: Pick<ReceiptClaims, 'take'>;
  readonly returns: Pick<Returns, 'take'>;
  readonly claims: ClaimsPort;
  /** Has a reader that waits to be told read now. @throws StammkundeError READER_NOT_FOUND · READER_NOT_READY */
  requestRead(readerId: string): void;
  readonly linking: Pick<Linking, 'current' | 'answer' | 'withdraw'>;
  status(): TillStatus;
  /**
   * Takes a number typed by a person the way of a scan: recognised, identified, presented to the sales, told as event.
   * For a card that is not on this till the answer waits until the server was asked, 150 ms at most.
   */
  identifyTyped(number: string): Promise<TypedOutcome>;
  /** Calls back with all that is told, changed sales included, in order. The returned function ends it. */
  onEvent(listener: (event: TillNews) => void): () => void;
}
