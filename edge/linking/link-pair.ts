import type { BankCardScheme } from '../../sync/contract/link.ts';
import type { CredentialLinked } from '../../sync/contract/link.ts';
import type { CustomerDocument } from '../../sync/contract/replica-documents.ts';
import type { Identified } from '../sale/identified.ts';

/** A customer who said who they are, and a bank card nobody is known to own. */
export interface LinkPair {
  readonly customer: CustomerDocument;
  /** By which credential they said so. */
  readonly identifiedBy: CredentialLinked['identifiedBy'];
  readonly card: { readonly index: string; readonly scheme: BankCardScheme };
}

/**
 * Whether the one who is there stays when a credential is presented. A bank card comes along with every payment and may
 * be a partner's: it never takes the place of a customer who identified themselves.
 */
export function staysWith(before: Identified | undefined, presented: Identified): boolean {
  // Who could not be asked about may be somebody all the same; the server will know.
  const isSomebody = before?.as.verdict === 'known' || before?.as.verdict === 'unreached';
  return presented.kind === 'bankcard' && isSomebody && before.kind !== 'bankcard';
}

/**
 * The pair that may be linked, whichever of the two came first; undefined when there is none. A number somebody typed
 * says too little of who they are to link a card to it.
 */
export function linkPairOf(before: Identified | undefined, presented: Identified): LinkPair | undefined {
  if (before === undefined) return undefined;
  const [card, self] = presented.kind === 'bankcard' ? [presented, before] : [before, presented];
  // Without the server nobody knows whether it is somebody's: it says so when it gets the link.
  const isNobodys = card.as.verdict === 'unknown' || card.as.verdict === 'unreached';
  if (card.kind !== 'bankcard' || !isNobodys || card.bankCard === undefined) return undefined;
  const { index, kind, trust, as } = self;
  if (kind === 'bankcard' || as.verdict !== 'known' || trust === 'L0') return undefined;
  return {
    customer: as.customer,
    identifiedBy: { index, kind, trust },
    card: { index: card.index, scheme: card.bankCard },
  };
}
