// Appends without end, or so many entries, and prints each sequence once `append` has returned; its parent kills it.
import { writeSync } from 'node:fs';
import { SystemRandom } from '../../../foundation/random.ts';
import { completedSale, openJournal } from './journal-fixture.ts';

const random = new SystemRandom();
const journal = await openJournal(process.argv[2] ?? '', { random, unconfirmedMax: 1_000_000 });
const count = Number(process.argv[3] ?? Infinity);
for (let i = 0; i < count; i += 1) {
  const transaction = { ...completedSale(), saleId: uuid() };
  writeSync(1, `${journal.append(transaction).seq}\n`);
}

function uuid(): string {
  const hex = Buffer.from(random.bytes(16)).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
}
