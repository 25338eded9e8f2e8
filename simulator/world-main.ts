import { parseArgs } from 'node:util';
import { asError } from '../foundation/errors.ts';
import { isMutant, mutants } from './world/mutants.ts';
import { smallWorld, Worlds } from './world/world.ts';
import type { WorldResult } from './world/world.ts';

const USAGE = `Runs tills, servers, a broker and all their faults in one process, on a clock of its own.

  npm run world -- --seed 7                        one world; the same seed is the same world
  npm run world -- --seed 7 --tills 20 --hours 72  a larger one, for longer
  npm run world -- --seeds 100                     the worlds 1 … 100 (from --seed on, if it is given)
  npm run world -- --seed 7 --trace                with every message, fault and answer
  npm run world -- --seed 7 --mutant NAME          with one promise broken

  --tills N  --workers N  --hours N  --customers N
  --sale-every SECONDS  --trouble-every SECONDS    on average, at each till and in the world
  --small                                          the size that runs with every change

Mutants:
${Object.entries(mutants)
  .map(([name, what]) => `  ${name.padEnd(20)}${what}`)
  .join('\n')}
`;

/** What one evening at 20 tills is like. */
const largeWorld = {
  tills: 20,
  workers: 3,
  hours: 12,
  customers: 100,
  customerEverySeconds: 300,
  troubleEverySeconds: 60,
};

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  const complain = (text: string): void => void process.stderr.write(`${text}\n`);
  let order: ReturnType<typeof readOrder>;
  try {
    order = readOrder(args);
  } catch (error) {
    complain(`${asError(error).message}\n\n${USAGE}`);
    return 2;
  }
  if (order === undefined) {
    say(USAGE);
    return 0;
  }
  const { seed, seeds, trace, size, mutant } = order;
  const worlds = await Worlds.open();
  const total = { sales: 0, virtualMs: 0, wrong: 0 };
  const before = process.cpuUsage();
  try {
    for (let each = seed; each < seed + seeds; each += 1) {
      const result = await worlds.run({ ...size, seed: each, mutant, ...(trace ? { tell: say } : {}) });
      total.sales += result.sales;
      total.virtualMs += result.virtualMs;
      if (result.wrong.length > 0) total.wrong += 1;
      if (seeds === 1 || result.wrong.length > 0) for (const line of linesOf(result)) say(line);
    }
  } finally {
    await worlds.close();
  }
  const { user, system } = process.cpuUsage(before);
  const seconds = (user + system) / 1e6;
  const hours = total.virtualMs / 3_600_000;
  say(
    `${seeds} ${seeds === 1 ? 'world' : 'worlds'}, ${total.sales} answers of tills, ${hours.toFixed(1)} hours in ` +
      `${seconds.toFixed(1)} s of CPU (${(hours / seconds).toFixed(2)} hours a second): ` +
      (total.wrong === 0 ? 'nothing is wrong' : `${total.wrong} went wrong`),
  );
  return total.wrong === 0 ? 0 : 1;
}

function* linesOf({
  seed,
  trace,
  lines,
  sales,
  receipts,
  events,
  troubles,
  wrong,
}: WorldResult): Generator<string> {
  yield `seed ${seed}: trace ${trace} (${lines} lines), ${sales} answers, ${receipts} receipts, ${events} events`;
  yield `  ${Object.entries(troubles)
    .map(([name, count]) => `${count} × ${name}`)
    .join(', ')}`;
  for (const each of wrong) yield `  WRONG: ${each}`;
}

/** Undefined when asked for help. @throws what is wrong with the arguments */
function readOrder(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    strict: true,
    options: {
      help: { type: 'boolean', default: false },
      seed: { type: 'string' },
      seeds: { type: 'string', default: '1' },
      small: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
      mutant: { type: 'string' },
      tills: { type: 'string' },
      workers: { type: 'string' },
      hours: { type: 'string' },
      customers: { type: 'string' },
      'sale-every': { type: 'string' },
      'trouble-every': { type: 'string' },
    },
  });
  if (values.help) return undefined;
  const { mutant } = values;
  if (mutant !== undefined && !isMutant(mutant)) throw new TypeError(`there is no mutant ${mutant}`);
  const seeds = numberOf('seeds', values.seeds);
  const usual = values.small || seeds > 1 ? smallWorld : largeWorld;
  const size = {
    tills: numberOf('tills', values.tills, usual.tills),
    workers: numberOf('workers', values.workers, usual.workers),
    hours: numberOf('hours', values.hours, usual.hours),
    customers: numberOf('customers', values.customers, usual.customers),
    customerEverySeconds: numberOf('sale-every', values['sale-every'], usual.customerEverySeconds),
    troubleEverySeconds: numberOf('trouble-every', values['trouble-every'], usual.troubleEverySeconds),
  };
  return { seed: numberOf('seed', values.seed, 1), seeds, trace: values.trace, size, mutant };
}

function numberOf(name: string, text: string | undefined, usual = 1): number {
  if (text === undefined) return usual;
  const number = Number(text);
  if (!Number.isFinite(number) || number <= 0)
    throw new TypeError(`--${name} is a number above 0, not ${text}`);
  return number;
}
