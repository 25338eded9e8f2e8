// Started by another account than root: opens the readers given as JSON and prints what becomes of them as JSON lines.
import { Counter } from './counter.ts';

const [readers = '[]'] = process.argv.slice(2);
const configs: unknown = JSON.parse(readers);
if (!Array.isArray(configs)) throw new Error('expected a list of readers');

const counter = await Counter.open(configs as Readonly<Record<string, unknown>>[]); // checked by its own schema there
let told = 0;
let scanned = 0;
setInterval(() => {
  for (const status of counter.statuses.slice(told)) print({ status });
  told = counter.statuses.length;
  for (const { readerId, aim, payload } of counter.scans.slice(scanned)) {
    print({ scan: `${readerId} ${aim ?? '-'} ${Buffer.from(payload).toString('utf8')}` });
  }
  scanned = counter.scans.length;
}, 20);

function print(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
