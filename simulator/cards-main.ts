import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { asError } from '../foundation/errors.ts';
import { writeCardSheet } from './cards/card-sheet.ts';
import { printedCodes } from './cards/printed-codes.ts';
import { Population } from './population.ts';

const USAGE = `Cards, codes and articles of the demo shop, to print and scan.

  npm run cards                    writes cards.pdf
  npm run cards -- --out FILE      another file
  npm run cards -- --customers N   of a shop started with as many (default: 10000)
`;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        out: { type: 'string', default: 'cards.pdf' },
        customers: { type: 'string', default: '10000' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(USAGE);
      return 0;
    }
    const customers = Number(values.customers);
    if (!Number.isInteger(customers) || customers < 100 || customers > 1_000_000) {
      throw new Error('--customers takes a whole number from 100 to 1000000');
    }
    const codes = printedCodes(new Population(customers));
    const path = resolve(values.out);
    await writeCardSheet(path, codes);
    process.stdout.write(`${codes.length} codes are in ${path}; print it at 100 %.\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`${asError(error).message.split('\n')[0] ?? ''}\n`);
    return 1;
  }
}
