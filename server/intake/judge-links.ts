import type { Instant } from '../../foundation/clock.ts';
import type { ErrorCode } from '../../foundation/error-codes.ts';
import type { BlindIndex, IndexForms } from '../../sync/contract/blind-index.ts';
import type { IdentifierKind } from '../../sync/contract/credential.ts';
import type { CredentialLinked, CredentialUnlinked } from '../../sync/contract/link.ts';
import { consentState } from '../consent/consent-state.ts';
import type { ConsentMark } from '../consent/consent-state.ts';
import type { Judgement } from './judge.ts';

/** What a link or its end changes: the card gets an owner, loses it, or stays as it is. */
export type LinkEffect = 'give' | 'take' | 'none';

/** What links are held against, read under the exclusive lock on ownership. */
export interface LinkFacts {
  /** Whose the known ones of the cards are. */
  readonly cards: ReadonlyMap<
    BlindIndex,
    { readonly customerId: string | null; readonly kind: IdentifierKind }
  >;
  /** Those of the customers that exist and are not closed. */
  readonly customers: ReadonlySet<string>;
  /** Every consent text ever published, as {@link textKey} gives it. */
  readonly texts: ReadonlySet<string>;
  /** Consent events so far, by {@link linkKey}. */
  readonly consents: ReadonlyMap<string, readonly ConsentMark[]>;
  readonly now: Instant;
}

/** One word for a customer and a card. */
export function linkKey(customerId: string, index: BlindIndex): string {
  return `${customerId}/${index}`;
}

/** One word for a consent text as it was shown. */
export function textKey(purpose: string, version: string, locale: string, sha256: string): string {
  return `${purpose}/${version}/${locale}/${sha256}`;
}

/** The link an accepted entry brings or ends. */
export function linkOf(judgement: Judgement): CredentialLinked | CredentialUnlinked | undefined {
  if (judgement.kind !== 'accepted') return undefined;
  const { transaction } = judgement;
  switch (transaction.kind) {
    case 'credential.linked':
    case 'credential.unlinked':
      return transaction;
    case 'sale.completed':
    case 'sale.voided':
    case 'sale.returned':
    case 'sale.claimed':
      return undefined;
  }
}

/** The same judgement, with the card of a link under its newest index, whichever the till knew it by. */
export function underNewestIndex(judgement: Judgement, indexer: IndexForms): Judgement {
  const link = linkOf(judgement);
  if (link === undefined || judgement.kind !== 'accepted') return judgement;
  const forms = indexer.formsFrom(link.credential.index);
  const index = forms.at(-1);
  if (index === undefined || forms.length === 1) return judgement;
  const transaction =
    link.kind === 'credential.linked'
      ? { ...link, credential: { ...link.credential, index } }
      : { ...link, credential: { ...link.credential, index } };
  return { ...judgement, transaction, olderForms: forms.slice(0, -1) };
}

/**
 * Judges links one after the other, each with what the ones before it change. A card that belongs to somebody else
 * stays with them, and so does the journal entry, as refused. Whether a link takes effect is for the consent events to
 * say, all of them: a yes that arrives after a later withdrawal changes nothing.
 */
export function judgeLinks(
  judged: readonly (readonly Judgement[])[],
  facts: LinkFacts,
): readonly (readonly Judgement[])[] {
  const owners = new Map([...facts.cards].map(([index, { customerId }]) => [index, customerId]));
  const consents = new Map([...facts.consents].map(([key, marks]) => [key, [...marks]]));
  return judged.map((batch) =>
    batch.map((judgement): Judgement => {
      const link = linkOf(judgement);
      if (link === undefined || judgement.kind !== 'accepted') return judgement;
      const { customerId } = link;
      const { index } = link.credential;
      const owner = owners.get(index) ?? null;
      const code = refusalOf(link, owner, facts);
      if (code !== undefined) {
        const { owner: journal, entry } = judgement;
        return { kind: 'refused', owner: journal, entry, code };
      }
      const marks = consents.get(linkKey(customerId, index)) ?? [];
      const { decision, occurredAt } = link.consent;
      marks.push({ decision, occurredAt, recordedAt: facts.now });
      consents.set(linkKey(customerId, index), marks);
      const holds = consentState(marks) === 'granted';
      let effect: LinkEffect = 'none';
      if (holds && owner === null) {
        owners.set(index, customerId);
        effect = 'give';
      } else if (!holds && owner === customerId) {
        owners.set(index, null);
        effect = 'take';
      }
      return { ...judgement, effect };
    }),
  );
}

function refusalOf(
  link: CredentialLinked | CredentialUnlinked,
  owner: string | null,
  { cards, customers, texts }: LinkFacts,
): ErrorCode | undefined {
  const { customerId, credential } = link;
  if (!customers.has(customerId)) return 'CUSTOMER_NOT_FOUND';
  const card = cards.get(credential.index);
  if (card !== undefined && card.kind !== 'bankcard') return 'LINK_TAKEN';
  if (link.kind === 'credential.unlinked') return undefined;
  if (owner !== null && owner !== customerId) return 'LINK_TAKEN';
  const { purpose, textVersion, locale, textSha256 } = link.consent;
  return texts.has(textKey(purpose, textVersion, locale, textSha256)) ? undefined : 'LINK_TEXT_UNKNOWN';
}
