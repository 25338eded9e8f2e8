import { z } from 'zod';
import type { Clock } from '../../foundation/clock.ts';
import { StammkundeError } from '../../foundation/errors.ts';
import { uuidV7 } from '../../foundation/random.ts';
import type { Random } from '../../foundation/random.ts';
import type { IndexForms } from '../../sync/contract/blind-index.ts';
import { ConsentLocale, OperatorRef } from '../../sync/contract/consent.ts';
import { InstantMs, StoreId, TillId, Uuid } from '../../sync/contract/ids.ts';
import { BankCardScheme } from '../../sync/contract/link.ts';
import type { Changes } from '../changes.ts';
import { aboutIndex } from '../consent/about-index.ts';
import { appendConsents, lastGrant, readConsents } from '../consent/consent-store.ts';
import { consentChannels } from '../consent/consent-event.ts';
import type { ChainedConsentEvent } from '../consent/consent-event.ts';
import type { Database } from '../database/database.ts';
import { changeOwnership } from '../ledger/claim.ts';
import { takeBankCard } from './take-bank-card.ts';

/** A linked bank card as it is shown. There is no number to show, not even the end of one: the alias is not kept. */
export const BankCard = z.strictObject({
  id: Uuid,
  scheme: BankCardScheme,
  status: z.enum(['active', 'blocked']),
  linkedAt: InstantMs,
  linkedIn: z
    .strictObject({ till: TillId.nullable(), store: StoreId.nullable() })
    .nullable()
    .describe('Where the consent was given'),
  textVersion: z.string().nullable().describe('Version of the text that was agreed to'),
});
export type BankCard = z.infer<typeof BankCard>;

/** How a customer takes a link back. */
export const LinkWithdrawal = z.strictObject({
  channel: z
    .enum(consentChannels)
    .exclude(['till', 'import'])
    .describe('How the customer said so; at a till it goes through the till'),
  locale: ConsentLocale.optional(),
  operatorRef: OperatorRef.optional(),
});
export type LinkWithdrawal = z.infer<typeof LinkWithdrawal>;

/** A consent event as it is shown to whom it is about: without the index of the card. */
export const ConsentView = z.strictObject({
  eventId: Uuid,
  purpose: z.string(),
  decision: z.string(),
  textVersion: z.string().nullable(),
  textSha256: z.string().nullable(),
  locale: z.string().nullable(),
  channel: z.enum(consentChannels),
  till: z.string().nullable(),
  store: z.string().nullable(),
  occurredAt: InstantMs,
  recordedAt: InstantMs,
});
export type ConsentView = z.infer<typeof ConsentView>;

const PURPOSE = 'bankcard_link';

/** The bank cards customers had linked, and what they agreed to. */
export class BankCards {
  readonly #ports: {
    readonly database: Database;
    readonly indexer: IndexForms;
    readonly changes: Changes;
    readonly clock: Clock;
    readonly random: Random;
    readonly controller: string;
  };

  /** @param ports.controller who is responsible, as consents name it */
  constructor(ports: {
    readonly database: Database;
    readonly indexer: IndexForms;
    readonly changes: Changes;
    readonly clock: Clock;
    readonly random: Random;
    readonly controller: string;
  }) {
    this.#ports = ports;
  }

  /** The cards that are linked now, oldest first. @throws StammkundeError CUSTOMER_NOT_FOUND */
  async list(customerId: string): Promise<readonly BankCard[]> {
    const { database, indexer } = this.#ports;
    const { db } = database;
    await this.#assertCustomer(customerId);
    const rows = await db
      .selectFrom('credential')
      .select(['id', 'index', 'scheme', 'status', 'issued_at'])
      .where('customer_id', '=', customerId)
      .where('kind', '=', 'bankcard')
      .where('alias_of', 'is', null)
      .orderBy('issued_at')
      .orderBy('id')
      .execute();
    const consents = await readConsents(db, [customerId], PURPOSE);
    return rows.map((row) => {
      const grant = lastGrant(aboutIndex(consents, indexer, row.index), row.index);
      return {
        id: row.id,
        scheme: BankCardScheme.parse(row.scheme),
        status: row.status,
        linkedAt: grant?.occurredAt ?? row.issued_at,
        linkedIn: grant === undefined ? null : { till: grant.terminalId, store: grant.storeId },
        textVersion: grant?.textVersion ?? null,
      };
    });
  }

  /** All that was agreed to and taken back at tills and through customer service. @throws StammkundeError CUSTOMER_NOT_FOUND */
  async consents(customerId: string): Promise<readonly ConsentView[]> {
    await this.#assertCustomer(customerId);
    return (await readConsents(this.#ports.database.db, [customerId])).map(consentView);
  }

  /**
   * Takes a link back for the customer: tills are told at once, what was earned stays. Repeated, it changes nothing.
   * @throws StammkundeError CARD_NOT_FOUND for a card that is and was not this customer's
   */
  async withdraw(customerId: string, cardId: string, withdrawal: LinkWithdrawal): Promise<void> {
    const { database, indexer, changes, clock, random, controller } = this.#ports;
    const taken = await database.transaction(async (tx) => {
      await changeOwnership(tx);
      const card = await tx
        .selectFrom('credential')
        .select(['index', 'customer_id'])
        .where('id', '=', cardId)
        .where('kind', '=', 'bankcard')
        .where('alias_of', 'is', null)
        .executeTakeFirst();
      const events =
        card === undefined
          ? []
          : aboutIndex(await readConsents(tx, [customerId], PURPOSE), indexer, card.index);
      const wasTheirs = card !== undefined && (card.customer_id === customerId || events.length > 0);
      if (!wasTheirs) throw new StammkundeError('CARD_NOT_FOUND', `there is no linked bank card ${cardId}`);
      if (card.customer_id !== customerId) return undefined;
      const now = clock.now();
      const grant = lastGrant(events, card.index);
      await appendConsents(tx, [
        {
          eventId: uuidV7(now, random),
          subjectRef: customerId,
          purposeCode: PURPOSE,
          objectRef: card.index,
          decision: 'withdrawn',
          textVersion: grant?.textVersion ?? null,
          textSha256: grant?.textSha256 ?? null,
          locale: withdrawal.locale ?? grant?.locale ?? null,
          uiVariant: grant?.uiVariant ?? null,
          channel: withdrawal.channel,
          terminalId: null,
          storeId: null,
          operatorRef: withdrawal.operatorRef ?? null,
          occurredAt: now,
          recordedAt: now,
          clockQuality: 'good',
          proofRef: null,
          evidenceSha256: null,
          controller,
          recipients: [],
        },
      ]);
      return takeBankCard(tx, customerId, card.index);
    });
    if (taken === undefined) return;
    changes.urgent({
      position: { epoch: database.epoch, xid: taken.xid, seq: taken.seq },
      credentials: [...taken.documents],
      customers: [],
    });
    changes.changed();
  }

  async #assertCustomer(id: string): Promise<void> {
    const row = await this.#ports.database.db
      .selectFrom('customer')
      .select('id')
      .where('id', '=', id)
      .executeTakeFirst();
    if (row === undefined) throw new StammkundeError('CUSTOMER_NOT_FOUND', `there is no customer ${id}`);
  }
}

function consentView(event: ChainedConsentEvent): ConsentView {
  return {
    eventId: event.eventId,
    purpose: event.purposeCode,
    decision: event.decision,
    textVersion: event.textVersion,
    textSha256: event.textSha256,
    locale: event.locale,
    channel: event.channel,
    till: event.terminalId,
    store: event.storeId,
    occurredAt: event.occurredAt,
    recordedAt: event.recordedAt,
  };
}
