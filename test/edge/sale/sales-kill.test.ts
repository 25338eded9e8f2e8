// Goal: a till that dies in the middle of a sale finds it again as it was answered last, and counts none twice.
// Method: a child sells, printing each answer; it is killed at many different points.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { SystemRandom } from '../../../foundation/random.ts';
import { Transaction } from '../../../sync/contract/transaction.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { openJournal, temporaryFolder } from '../journal/journal-fixture.ts';
import { basketOf, newSales } from './sale-fixture.ts';

/** What each sale's last answer was. */
async function sellUntilKilled(folder: string, answers: number): Promise<ReadonlyMap<string, string>> {
  const script = new URL('./sell-child.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (text.split('\n').length > answers) child.kill('SIGKILL');
  });
  await closed;
  const whole = text.slice(0, text.lastIndexOf('\n')).split('\n');
  return new Map(whole.map((line) => [line.split(' ')[1] ?? '', line.split(' ')[0] ?? '']));
}

test('after a kill -9 every sale is where its last answer left it, or one step further', async () => {
  const clock = new ManualClock();
  const folder = temporaryFolder(onTestFinished);
  for (const answers of [1, 2, 3, 30]) {
    const told = await sellUntilKilled(folder, answers);
    const random = new SystemRandom();
    const journal = await openJournal(folder, { clock, random, unconfirmedMax: 1_000_000 });
    const sales = newSales(journal, clock, { random });
    expect(told.size).toBeGreaterThan(0);
    for (const [saleId, did] of told) {
      const view = sales.view(saleId);
      if (did === 'opened') continue;
      expect(view).toMatchObject({ basket: basketOf(700, 350), points: { base: 20, bonus: 50, total: 70 } });
      expect(did === 'completed' ? ['completed'] : ['open', 'completed']).toContain(view.status);
      expect(sales.complete(saleId).status).toBe('completed');
    }
    for (const sale of sales.openViews()) sales.void(sale.saleId);
    const completed = journal
      .read(0, 10_000)
      .map((entry) => Transaction.parse(JSON.parse(entry.body)))
      .filter((transaction) => transaction.kind === 'sale.completed')
      .map((transaction) => transaction.saleId);
    expect(new Set(completed).size).toBe(completed.length);
    expect(journal.verify()).toBe(journal.lastSeq);
    await journal.close();
  }
});
