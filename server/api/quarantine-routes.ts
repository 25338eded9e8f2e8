import { z } from 'zod';
import { AUDIT_BLOCK_ENTRIES, AuditBlock } from '../../sync/contract/audit.ts';
import { OperatorRef } from '../../sync/contract/consent.ts';
import { InstantMs, TillId, Uuid } from '../../sync/contract/ids.ts';
import { Hash } from '../../sync/contract/journal-entry.ts';
import { Transaction } from '../../sync/contract/transaction.ts';
import type { Database } from '../database/database.ts';
import { auditJournal } from '../intake/journal-audit.ts';
import type { Quarantine, QuarantinedEntry } from '../intake/quarantine.ts';
import type { ApiInstance } from './api.ts';
import { ErrorBody } from './errors.ts';

const BLOCKS_MAX = 1_000;

const SettlementView = z.strictObject({
  decision: z.enum(['accepted', 'dismissed']),
  outcome: z
    .enum(['created', 'exists', 'refused'])
    .nullable()
    .describe('What the ledger said to an accepted one; null for one dismissed'),
  code: z.string().nullable(),
  settledBy: z.string(),
  reason: z.string(),
  at: InstantMs,
});

const QuarantinedView = z.strictObject({
  till: TillId,
  incarnation: Uuid,
  seq: z.int(),
  hash: Hash,
  id: Uuid,
  at: InstantMs,
  code: z
    .string()
    .describe('LEDGER_CONFLICT: the place is taken; LEDGER_CHAIN: it does not continue the chain'),
  receivedAt: InstantMs,
  intact: z
    .boolean()
    .describe('false: the text is not what was sealed, or is not kept; it can only be dismissed'),
  stands: z.boolean().describe('The same entry stands in a journal by now, as after its till rejoined'),
  transaction: Transaction.nullable(),
  settlement: SettlementView.nullable(),
});

const Page = z.strictObject({
  open: z
    .int()
    .describe('Entries that neither stand by now nor were settled: each is a sale that does not count yet'),
  entries: z.array(QuarantinedView),
});

const Key = z.strictObject({
  till: TillId,
  incarnation: Uuid.toLowerCase(),
  seq: z.coerce.number().int().min(1),
  hash: Hash,
});

const Decision = z.strictObject({
  settledBy: OperatorRef.describe('Who decides, as a pseudonym'),
  reason: z.string().min(1).max(200).describe('For the record; no names of persons'),
});

const AuditView = z.strictObject({
  till: TillId,
  incarnation: Uuid,
  blocks: z.array(AuditBlock),
  misfit: z.strictObject({ seq: z.int(), what: z.string() }).nullable(),
});

/** What contradicts the tills' journals: looked at, and settled. */
export function quarantineRoutes(quarantine: Quarantine, database: Database) {
  return (app: ApiInstance): void => {
    app.route({
      method: 'GET',
      url: '/v1/quarantine',
      schema: {
        summary: 'Journal entries that contradict what stands: a copied or restored disk, or tampering',
        querystring: z.strictObject({
          till: TillId.optional(),
          all: z.stringbool().default(false).describe('Also those that are settled, or stand by now'),
          // An entry may be a million characters long.
          limit: z.coerce.number().int().min(1).max(100).default(50),
        }),
        response: { 200: Page, default: ErrorBody },
      },
      handler: async ({ query: { till, all, limit } }) => ({
        open: await quarantine.openCount(),
        entries: (await quarantine.list({ till, open: !all, limit })).map(entryView),
      }),
    });
    for (const [decision, summary] of [
      ['accept', 'Post a quarantined entry, once, unless its sale is in the ledger already'],
      ['dismiss', 'Note that a quarantined entry is not to be posted'],
    ] as const) {
      app.route({
        method: 'POST',
        url: `/v1/quarantine/:till/:incarnation/:seq/:hash/${decision}`,
        schema: {
          summary,
          params: Key,
          body: Decision,
          response: { 200: SettlementView, default: ErrorBody },
        },
        handler: async ({ params, body }) => ({ ...(await quarantine[decision](params, body)) }),
      });
    }
    app.route({
      method: 'GET',
      url: '/v1/journal/:till/:incarnation/audit',
      schema: {
        summary:
          'What the server holds of a journal, in blocks that `stammkunde-edge audit --against` compares',
        params: Key.pick({ till: true, incarnation: true }),
        querystring: z.strictObject({
          after: z.coerce.number().int().min(0).default(0),
          block: z.coerce.number().int().min(1).max(100_000).default(AUDIT_BLOCK_ENTRIES),
        }),
        response: { 200: AuditView, default: ErrorBody },
      },
      handler: async ({ params, query: { after, block } }) => {
        const toSeq = (Math.floor(after / block) + BLOCKS_MAX) * block;
        const stretch = { afterSeq: after, toSeq, blockEntries: block };
        const { blocks, misfit } = await auditJournal(database.db, params, stretch);
        return { ...params, blocks: [...blocks], misfit };
      },
    });
  };
}

function entryView({ settlement, ...entry }: QuarantinedEntry): z.infer<typeof QuarantinedView> {
  return { ...entry, settlement: settlement === null ? null : { ...settlement } };
}
