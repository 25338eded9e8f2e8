// Goal: the server comes to what the table of cases says, by way of its database: the programme of the version a sale
// names, and the offers in force when it was made, though all the cases' rules came and went since.
import { beforeAll, describe, expect, test } from 'vitest';
import { readRules } from '../../server/intake/sale-points.ts';
import { putOffer, putProgramme, withdrawOffer } from '../../server/programme/programme-store.ts';
import type { SaleCompleted } from '../../sync/contract/transaction.ts';
import { goldenCases } from '../sync/contract/programme/golden.ts';
import type { GoldenCase } from '../sync/contract/programme/golden.ts';
import { onEmbedded } from './suite-databases.ts';

const FIRST = 1_780_000_000_000;
const cases = goldenCases().map((golden, i) => ({
  golden,
  name: golden.name,
  version: i + 1,
  at: FIRST + i * 1_000,
}));

function saleOf({ basket }: GoldenCase, programmeVersion: number, at: number): SaleCompleted {
  return {
    kind: 'sale.completed',
    saleId: '0190f8a0-0000-7000-8000-000000000001',
    storeId: 'store-1',
    at,
    basket,
    customer: null,
    earned: { programmeVersion, base: 0, bonuses: [] },
  };
}

describe('the server comes to what the table says', () => {
  const { database } = onEmbedded();
  beforeAll(async () => {
    for (const { golden, version, at } of cases) {
      await database().transaction(async (tx) => {
        await putProgramme(tx, { ...golden.programme, version }, at - 100);
        for (const offer of golden.offers) await putOffer(tx, offer, at - 100);
      });
      await database().transaction(async (tx) => {
        for (const { id } of golden.offers) await withdrawOffer(tx, id, at + 100);
      });
    }
  }, 60_000);

  test.each(cases)('$name', async ({ golden, version, at }) => {
    const sale = saleOf(golden, version, at);
    const rules = await readRules(database().db, [sale], FIRST + 1_000_000);
    const { customer } = golden;
    const row =
      customer === null
        ? undefined
        : {
            id: '0190f8a0-0000-7000-8000-000000000002',
            status: 'active' as const,
            points: 0,
            points_at: at,
            greeting: null,
            tier: customer.tier,
            purposes: [...customer.purposes],
          };
    expect(rules.earnedOf(sale, row)).toEqual({ ...golden.expect.earned, programmeVersion: version });
  });
});
