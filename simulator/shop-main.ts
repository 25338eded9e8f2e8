import { existsSync, readdirSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { SystemClock } from '../foundation/clock.ts';
import { machineTime } from '../foundation/machine-time.ts';
import { asError } from '../foundation/errors.ts';
import { SeededRandom, SystemRandom } from '../foundation/random.ts';
import { Population } from './population.ts';
import { planSales } from './sales-plan.ts';
import { Shop } from './shop.ts';
import type { WishedPorts } from './shop.ts';
import { shopNotice } from './shop-notice.ts';
import { UnattendedShop } from './unattended-shop.ts';

const USAGE = `A whole shop on this machine: server, till, scanners, customers.

  npm start                              for a person; Ctrl-C ends it
  npm run shop -- --sales 50 --json      without one: sells, breaks the network, compares, prints one line of JSON

  --customers N    how many there are (default: 10000)
  --fresh          begins with an empty shop
  --data FOLDER    the data folder (default: .stammkunde/shop)
  --any-ports      takes any free ports instead of 4180, 4280, 4380 and 4883
`;

const WISHED_PORTS = { tillApi: 4180, serverApi: 4280, broker: 4883, scanner: 4380 };
const ANY_PORTS = { tillApi: 0, serverApi: 0, broker: 0, scanner: 0 };

const clock = new SystemClock(machineTime);
const say = (line: string): void => void process.stderr.write(`${line}\n`);

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => interrupted.abort(new Interrupted(`ended by ${signal}`)));
}

/** A person, or a service manager, wants it to end: nothing is wrong. */
class Interrupted extends Error {}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Interrupted)) {
    say(asError(error).message);
    process.exitCode = 1;
  }
}
// Nothing of a shop is left at this point; a library's timer or an idle connection must not hold the terminal.
process.exit();

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      sales: { type: 'string' },
      json: { type: 'boolean', default: false },
      customers: { type: 'string', default: '10000' },
      fresh: { type: 'boolean', default: false },
      data: { type: 'string', default: '.stammkunde/shop' },
      'any-ports': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const population = new Population(wholeNumber('--customers', values.customers, 100, 1_000_000));
  if (values.sales !== undefined || values.json) {
    return sellUnattended(wholeNumber('--sales', values.sales ?? '50', 3, 100_000), population);
  }
  const root = resolve(values.data);
  if (values.fresh) wipe(root);
  return openForPeople(root, population, values['any-ports'] ? ANY_PORTS : WISHED_PORTS);
}

async function openForPeople(
  root: string,
  population: Population,
  wishedPorts: WishedPorts,
): Promise<number> {
  const shop = await Shop.open({
    root,
    population,
    wishedPorts,
    revive: true,
    clock,
    random: new SystemRandom(),
    say,
    signal: interrupted.signal,
  });
  try {
    process.stdout.write(shopNotice(shop));
    const lastWords = await Promise.race([shop.failed, interruption()]);
    if (lastWords === undefined) {
      say('\nending the shop …');
      return 0;
    }
    say(lastWords);
    return 1;
  } finally {
    await shop.close();
  }
}

/** Resolves when the program is told to end. */
function interruption(): Promise<undefined> {
  return new Promise((resolve) => {
    if (interrupted.signal.aborted) resolve(undefined);
    else interrupted.signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
}

async function sellUnattended(sales: number, population: Population): Promise<number> {
  const root = await mkdtemp(join(tmpdir(), 'stammkunde-shop-'));
  try {
    const shop = await Shop.open({
      root,
      population,
      wishedPorts: ANY_PORTS,
      revive: false,
      clock,
      random: new SystemRandom(),
      say,
      signal: interrupted.signal,
    });
    try {
      const plan = planSales(sales, population, new SeededRandom(sales));
      const day = UnattendedShop.run(shop, plan, { clock, random: new SystemRandom(), say });
      const outcome = await Promise.race([
        day,
        shop.failed.then((lastWords) => ({ lastWords })),
        interruption().then(() => ({ lastWords: 'ended before its time' })),
      ]);
      if ('lastWords' in outcome) {
        // The day fails for want of a shop; why is told here.
        day.catch(() => {});
        say(outcome.lastWords);
        return 1;
      }
      const { report, differences } = outcome;
      for (const difference of differences) say(`DIFFERS: ${difference}`);
      process.stdout.write(`${JSON.stringify(report)}\n`);
      return differences.length === 0 && report.confirmed === report.sales && report.ledgerBalanced ? 0 : 1;
    } finally {
      await shop.close();
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Empties a shop's folder, and no other. */
function wipe(root: string): void {
  if (!existsSync(root)) return;
  if (readdirSync(root).length > 0 && !existsSync(join(root, 'server.yaml'))) {
    throw new Error(`${root} is not a shop’s data folder; it is left alone`);
  }
  rmSync(root, { recursive: true });
}

function wholeNumber(option: string, text: string, from: number, to: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= from && number <= to) return number;
  throw new Error(`${option} takes a whole number from ${from} to ${to}`);
}
