import { sql } from 'kysely';
import type { Instant } from '../../foundation/clock.ts';
import type { BlindIndex, IndexForms } from '../../sync/contract/blind-index.ts';
import { consentTextHash } from '../../sync/contract/consent.ts';
import type { ConsentText } from '../../sync/contract/consent.ts';
import type { IdentifierKind } from '../../sync/contract/credential.ts';
import type { CredentialLinked, CredentialUnlinked } from '../../sync/contract/link.ts';
import { takeBankCard } from '../cards/take-bank-card.ts';
import type { TakenCard } from '../cards/take-bank-card.ts';
import { insertCards } from '../cards/insert-cards.ts';
import type { ConsentEvent } from '../consent/consent-event.ts';
import { aboutIndex } from '../consent/about-index.ts';
import { appendConsents, lastGrant, readConsents } from '../consent/consent-store.ts';
import type { DatabaseTransaction } from '../database/database.ts';
import { claimPointsAs } from '../ledger/claim.ts';
import type { Accepted, Judgement } from './judge.ts';
import { linkKey, linkOf, textKey } from './judge-links.ts';
import type { LinkFacts } from './judge-links.ts';

/** Reads what the links of a group are held against. To be called under the exclusive lock on ownership. */
export async function readLinkFacts(
  tx: DatabaseTransaction,
  links: readonly (CredentialLinked | CredentialUnlinked)[],
  { now, indexer }: { readonly now: Instant; readonly indexer: IndexForms },
): Promise<LinkFacts> {
  const indexes = links.map(({ credential }) => credential.index);
  const customerIds = [...new Set(links.map(({ customerId }) => customerId))];
  const cards = await sql<{ index: BlindIndex; customer_id: string | null; kind: IdentifierKind }>`
    select index, customer_id, kind from credential where index = any(${indexes}::text[])`.execute(tx);
  const customers = await sql<{ id: string }>`
    select id from customer where id = any(${customerIds}::uuid[]) and status <> 'closed'`.execute(tx);
  const texts = await sql<{ texts: ConsentText[] | null }>`
    select document -> 'consentTexts' as texts from programme where document ? 'consentTexts'`.execute(tx);
  const events = await readConsents(tx, customerIds, 'bankcard_link');
  return {
    cards: new Map(cards.rows.map((row) => [row.index, { customerId: row.customer_id, kind: row.kind }])),
    customers: new Set(customers.rows.map(({ id }) => id)),
    texts: new Set(texts.rows.flatMap((row) => (row.texts ?? []).flatMap(keysOfText))),
    consents: Map.groupBy(events, (event) =>
      linkKey(event.subjectRef, indexer.newest(event.objectRef ?? '')),
    ),
    now,
  };
}

/**
 * Keeps the consent of a link or of its end, and does what it changes: gives the card to the customer with the points
 * earned with it so far, or takes it from them.
 * @returns the card that was taken, for the tills to be told at once
 */
export async function postLink(
  tx: DatabaseTransaction,
  { owner, entry, effect = 'none', olderForms = [] }: Accepted,
  link: CredentialLinked | CredentialUnlinked,
  {
    now,
    controller,
    indexer,
  }: { readonly now: Instant; readonly controller: string; readonly indexer: IndexForms },
): Promise<TakenCard | undefined> {
  const { customerId, credential, consent } = link;
  const { index } = credential;
  const shown =
    consent.decision === 'granted'
      ? consent
      : lastGrant(aboutIndex(await readConsents(tx, [customerId], consent.purpose), indexer, index), index);
  const event: ConsentEvent = {
    eventId: entry.id,
    subjectRef: customerId,
    purposeCode: consent.purpose,
    objectRef: index,
    decision: consent.decision,
    textVersion: shown?.textVersion ?? null,
    textSha256: shown?.textSha256 ?? null,
    locale: shown?.locale ?? null,
    uiVariant: shown?.uiVariant ?? null,
    channel: consent.channel,
    terminalId: owner.till,
    storeId: link.storeId,
    operatorRef: consent.operatorRef,
    occurredAt: consent.occurredAt,
    recordedAt: now,
    clockQuality: consent.clock,
    proofRef: `journal:${owner.till}/${owner.incarnation}/${entry.seq}`,
    evidenceSha256: entry.hash,
    controller,
    recipients: [],
  };
  await appendConsents(tx, [event]);
  switch (effect) {
    case 'none':
      return undefined;
    case 'take':
      return takeBankCard(tx, customerId, index);
    case 'give': {
      const scheme = link.kind === 'credential.linked' ? link.credential.scheme : 'emv-par';
      await insertCards(
        tx,
        [
          {
            id: entry.id,
            index,
            keyVersion: indexer.version,
            olderForms,
            kind: 'bankcard',
            scheme,
            validUntil: null,
            customerId,
          },
        ],
        now,
      );
      // The claim has the entry's id: a link brings one claim at most.
      await claimPointsAs(tx, [{ index, customerId }], now, () => entry.id);
      return undefined;
    }
  }
}

/** The links among judged entries, as they are to be held against the facts. */
export function linksIn(
  judged: readonly (readonly Judgement[])[],
): readonly (CredentialLinked | CredentialUnlinked)[] {
  return judged.flat().flatMap((judgement) => linkOf(judgement) ?? []);
}

function keysOfText({ purpose, version, text }: ConsentText): string[] {
  return (['de', 'en'] as const).map((locale) =>
    textKey(purpose, version, locale, consentTextHash(text[locale])),
  );
}
