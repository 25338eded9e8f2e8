// npm run test:faults -- --rounds 200 --seed 7
//
// Real processes over real sockets and files: tills behind proxies, Mosquitto, server workers, PostgreSQL. Each round one
// fault, or two, while every till sells. An oracle writes each sale down before a till is asked and after it said OK;
// when all is mended, what it wrote is held against journal and ledger.
//
// npm run test:faults -- --mutants: the programs broken on purpose, one promise after the other; each has to be noticed.
import { loadavg } from 'node:os';
import { SystemClock, sleep } from '../../foundation/clock.ts';
import { asError } from '../../foundation/errors.ts';
import { Opened } from '../../foundation/lifecycle.ts';
import { mutants } from './mutants.ts';
import { readOrders } from './order.ts';
import type { Order } from './order.ts';
import { findInstalled } from './requirements.ts';
import type { Installed } from './requirements.ts';
import { runRounds } from './rounds.ts';

const CLOSING_DEADLINE_MS = 60_000;

const clock = new SystemClock();
const say = (text: string): void => void process.stderr.write(`${text}\n`);
const interrupting = new AbortController();
const interrupted = new Promise<undefined>((resolve) =>
  interrupting.signal.addEventListener('abort', () => resolve(undefined)),
);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupting.abort());

/** @returns whether it came out as it should; undefined when somebody ended it */
async function obey(order: Order, installed: Installed): Promise<boolean | undefined> {
  const opened = new Opened();
  const { promise: isOpen, resolve: onOpened } = Promise.withResolvers<undefined>();
  const { signal } = interrupting;
  const ports = { installed, clock, opened, say, onOpened: () => onOpened(undefined), signal };
  const running = runRounds(order, ports);
  running.catch(() => {});
  try {
    const { mutant, rounds, seed, tills, workers } = order;
    if (mutant !== undefined) say(`mutant ${mutant}: ${mutants[mutant].what}`);
    say(`${rounds} rounds from seed ${seed}, ${tills} tills, ${workers} workers`);
    const outcome = await Promise.race([running, interrupted]);
    if (outcome === undefined) return undefined;
    for (const each of outcome.wrong) say(`WRONG: ${each}`);
    const load = loadavg().map((each) => Math.round(each * 10) / 10);
    process.stdout.write(
      `${JSON.stringify({ ...outcome, seed, tills, workers, mutant: mutant ?? null, load })}\n`,
    );
    if (mutant === undefined) return outcome.sound;
    say(outcome.sound ? `mutant ${mutant} was NOT NOTICED` : `mutant ${mutant} was caught`);
    return !outcome.sound;
  } finally {
    // Half of a shop can only be closed once it is whole, or has come to nothing.
    await Promise.race([isOpen, running.catch(() => {}), sleep(clock, CLOSING_DEADLINE_MS)]);
    await Promise.race([opened.close(), sleep(clock, CLOSING_DEADLINE_MS)]);
  }
}

async function main(): Promise<number> {
  const orders = readOrders(process.argv.slice(2));
  const installed = findInstalled();
  if ('missing' in installed) {
    for (const each of installed.missing) say(`cannot run: ${each}`);
    return 2;
  }
  let worst = 0;
  for (const order of orders) {
    const came = await obey(order, installed);
    if (came === undefined) return 130;
    if (!came) worst = 1;
  }
  return worst;
}

process.exitCode = await main().catch((error: unknown) => {
  const { message, cause } = asError(error);
  say(`${message}${cause === undefined ? '' : `: ${asError(cause).message}`}`);
  return 1;
});
process.exit();
