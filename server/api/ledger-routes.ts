import { z } from 'zod';
import { InstantMs, TillId, Uuid } from '../../sync/contract/ids.ts';
import type { Customers } from '../customers/customers.ts';
import type { Database } from '../database/database.ts';
import { ledgerKinds } from '../database/tables.ts';
import { readJournalReport } from '../intake/journal-report.ts';
import { readTillStates } from '../intake/till-states.ts';
import { memberAccount } from '../ledger/accounts.ts';
import { readAccount, readTrialBalance } from '../ledger/ledger-store.ts';
import type { ReportQueries } from '../reports/report-queries.ts';
import type { ApiInstance } from './api.ts';
import { ErrorBody } from './errors.ts';
import { Id, TillParameter } from './parameters.ts';

const LedgerPage = z.strictObject({
  balance: z.int(),
  lines: z.array(
    z.strictObject({
      position: z.int().describe('Pass the last one as `before` for the next page'),
      transactionId: Uuid,
      kind: z.enum(ledgerKinds),
      at: InstantMs,
      recordedAt: InstantMs,
      points: z.int(),
      till: TillId.nullable(),
    }),
  ),
});

const Trial = z.strictObject({
  debits: z.int(),
  credits: z.int(),
  balanced: z
    .boolean()
    .describe('Debits equal credits, balances equal their lines, customers show what their accounts hold'),
  transactions: z.int(),
  classes: z.record(z.string(), z.int()).describe('Balance by class of account'),
  customerPoints: z.int(),
  memberBalances: z.int(),
  accountsOff: z.int(),
  customersOff: z.int(),
});

const Journals = z.strictObject({
  till: TillId,
  journals: z.array(
    z.strictObject({
      incarnation: Uuid,
      entries: z.int(),
      created: z.int(),
      refused: z.int(),
      contiguous: z.int(),
      highest: z.int(),
      quarantined: z.int(),
    }),
  ),
});

const Tills = z.strictObject({
  tills: z.array(
    z.strictObject({
      till: TillId,
      incarnation: Uuid,
      online: z.boolean(),
      at: InstantMs,
      version: z.string(),
      health: z.looseObject({}).nullable(),
      receivedAt: InstantMs,
    }),
  ),
});

/** The ledger, and what stands behind it: the tills' journals and the tills. */
export function ledgerRoutes(database: Database, customers: Customers, reports: ReportQueries) {
  return (app: ApiInstance): void => {
    app.route({
      method: 'GET',
      url: '/v1/customers/:id/ledger',
      schema: {
        summary: 'The points of a customer, newest first',
        params: Id,
        querystring: z.strictObject({
          before: z.coerce.number().int().min(1).optional(),
          limit: z.coerce.number().int().min(1).max(1_000).default(100),
        }),
        response: { 200: LedgerPage, default: ErrorBody },
      },
      handler: async (request) => {
        const { id } = await customers.get(request.params.id);
        const { before, limit } = request.query;
        const { balance, lines } = await readAccount(database.db, memberAccount(id), { before, limit });
        return { balance, lines: [...lines] };
      },
    });

    app.route({
      method: 'GET',
      url: '/v1/ledger/trial-balance',
      schema: { summary: 'Whether everything adds up', response: { 200: Trial, default: ErrorBody } },
      handler: () => reports.wholeTables(readTrialBalance),
    });

    app.route({
      method: 'GET',
      url: '/v1/journal/:till',
      schema: {
        summary: 'What the server holds of a till’s journals',
        params: TillParameter,
        response: { 200: Journals, default: ErrorBody },
      },
      handler: async (request) => {
        const { till } = request.params;
        return { till, journals: [...(await readJournalReport(database.db, till))] };
      },
    });

    app.route({
      method: 'GET',
      url: '/v1/tills',
      schema: { summary: 'The last state of every till', response: { 200: Tills, default: ErrorBody } },
      handler: async () => ({
        tills: (await readTillStates(database.db)).map((till) => ({
          ...till,
          health: till.health === null ? null : { ...till.health },
        })),
      }),
    });
  };
}
