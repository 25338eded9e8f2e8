import { z } from 'zod';
import { Uuid } from '../sync/contract/ids.ts';
import type { OfferDocument, ProgrammeDocument } from '../sync/contract/replica-documents.ts';
import { JsonClient } from './json-client.ts';

const Anything = z.unknown();
const Health = z.object({ well: z.boolean() });
const Outcomes = z.object({
  results: z.array(z.object({ id: Uuid, verdict: z.string(), code: z.string().optional() })),
});
const Card = z.object({ id: Uuid });
const TrialBalance = z.object({
  debits: z.int(),
  credits: z.int(),
  balanced: z.boolean(),
  transactions: z.int(),
  classes: z.record(z.string(), z.int()),
});
const Journals = z.object({
  journals: z.array(
    z.object({
      entries: z.int(),
      created: z.int(),
      refused: z.int(),
      contiguous: z.int(),
      highest: z.int(),
      quarantined: z.int(),
    }),
  ),
});
const LedgerPage = z.object({
  balance: z.int(),
  lines: z.array(z.object({ position: z.int(), transactionId: Uuid, points: z.int() })),
});

export type TrialBalance = z.infer<typeof TrialBalance>;
export type TillJournal = z.infer<typeof Journals>['journals'][number];
export type LedgerLine = z.infer<typeof LedgerPage>['lines'][number];

/** A customer as the server's API takes them. */
export interface NewCustomer {
  readonly id: string;
  readonly tier: string;
  readonly purposes: readonly string[];
  readonly greeting: string | null;
  readonly profile: Readonly<Record<string, string>>;
  readonly cards: readonly NewCard[];
}

export interface NewCard {
  readonly scheme: string;
  readonly number: string;
  readonly validUntil: number | null;
}

/** Lines of a ledger asked for at once. */
const LEDGER_PAGE = 1_000;

/** Head office in front of the server's API. */
export class ServerClient {
  readonly #http: JsonClient;

  constructor(url: string, token: string) {
    this.#http = new JsonClient(url, token);
  }

  async isWell(): Promise<boolean> {
    return (await this.#http.call('GET', '/healthz', Health)).well;
  }

  async putProgramme(programme: ProgrammeDocument): Promise<void> {
    await this.#http.call('PUT', '/v1/programme', Anything, programme);
  }

  async putOffer(offer: OfferDocument): Promise<void> {
    await this.#http.call('PUT', `/v1/offers/${offer.id}`, Anything, offer);
  }

  /** Makes customers that are not there yet. @throws Error naming what was refused */
  async createCustomers(customers: readonly NewCustomer[]): Promise<void> {
    const { results } = await this.#http.call('POST', '/v1/customers/batch', Outcomes, { customers });
    const refused = results.filter(({ verdict }) => verdict !== 'created' && verdict !== 'exists');
    if (refused.length > 0 || results.length !== customers.length) {
      throw new Error(
        `the server took ${results.length - refused.length} of ${customers.length} customers (${refused[0]?.code ?? '?'})`,
      );
    }
  }

  /** Gives a card to a customer and blocks it. */
  async issueBlocked(customerId: string, card: NewCard): Promise<void> {
    const { id } = await this.#http.call('POST', `/v1/customers/${customerId}/cards`, Card, card);
    await this.#http.call('POST', `/v1/cards/${id}/block`, Card);
  }

  /** Gives a customer's phone the right to sign. */
  async enrolDevice(customerId: string, publicKey: string): Promise<void> {
    await this.#http.call('POST', `/v1/customers/${customerId}/devices`, Card, { publicKey });
  }

  /** Gives a customer points, once for an id. */
  async givePoints(
    customerId: string,
    gift: { readonly id: string; readonly points: number },
  ): Promise<void> {
    await this.#http.call('POST', `/v1/customers/${customerId}/adjustments`, Anything, {
      ...gift,
      reason: 'welcome',
    });
  }

  async blockCustomer(customerId: string): Promise<void> {
    await this.#http.call('PATCH', `/v1/customers/${customerId}`, Anything, { status: 'blocked' });
  }

  trialBalance(): Promise<TrialBalance> {
    return this.#http.call('GET', '/v1/ledger/trial-balance', TrialBalance);
  }

  async journalsOf(till: string): Promise<TillJournal[]> {
    return (await this.#http.call('GET', `/v1/journal/${till}`, Journals)).journals;
  }

  /** Every line of a customer's ledger, newest first. */
  async ledgerOf(customerId: string): Promise<LedgerLine[]> {
    const lines: LedgerLine[] = [];
    for (;;) {
      const before = lines.at(-1)?.position;
      const query = `limit=${LEDGER_PAGE}${before === undefined ? '' : `&before=${before}`}`;
      const page = await this.#http.call('GET', `/v1/customers/${customerId}/ledger?${query}`, LedgerPage);
      lines.push(...page.lines);
      if (page.lines.length < LEDGER_PAGE) return lines;
    }
  }
}
