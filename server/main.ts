import { parseArgs } from 'node:util';
import { SystemClock } from '../foundation/clock.ts';
import { withDeadline } from '../foundation/deadline.ts';
import { asError, StammkundeError } from '../foundation/errors.ts';
import { createLog, silentLog } from '../foundation/log.ts';
import { SystemRandom } from '../foundation/random.ts';
import { TillId } from '../sync/contract/ids.ts';
import { tellAudit } from './audit-command.ts';
import { readServerConfig } from './config.ts';
import type { ServerConfig } from './config.ts';
import { Database } from './database/database.ts';
import { createMissingKeys, loadKeys, publicKeyFileOf, tillToken } from './keys.ts';
import { Server } from './server.ts';

const USAGE = `stammkunde-server --config FILE                   run
stammkunde-server --config FILE --check-config    check the configuration and end
stammkunde-server keys --config FILE              create missing key files, print the public key's path
stammkunde-server restored --config FILE          after a backup was put back: all tills load their replicas again
stammkunde-server audit [--till TILL] [--json] --config FILE
                                                  recompute journals and ledger; ends with 0 when sound, 1 when
                                                  something differs, 2 when it could not look
stammkunde-server till-token TILL --config FILE   print the token of a till
`;

/** Work begun must be done by then. */
const DRAIN_DEADLINE_MS = 15_000;

const clock = new SystemClock();
const random = new SystemRandom();

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(argv);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (values.config === undefined) {
    throw new StammkundeError('CFG_UNREADABLE', `--config FILE is missing; usage:\n${USAGE}`);
  }
  const config = readServerConfig(values.config);
  if (values['check-config'] === true) {
    say(`${values.config}: ok`);
    return 0;
  }
  const [command, till] = positionals;
  switch (command) {
    case undefined:
      return run(config);
    case 'keys':
      for (const path of createMissingKeys(config.keys, config.http.tokenFile, random))
        say(`created ${path}`);
      say(publicKeyFileOf(config.keys));
      return 0;
    case 'restored':
      return renewEpoch(config);
    case 'audit':
      return audit(config, values);
    case 'till-token':
      say(tillToken(loadKeys(config.keys).secret, config.tenant, readTillName(till)));
      return 0;
    default:
      throw new StammkundeError('CFG_INVALID', `there is no command ${command}; usage:\n${USAGE}`);
  }
}

async function run(config: ServerConfig): Promise<number> {
  const stopped = nextSignal();
  const log = createLog({ name: 'server', level: config.logLevel });
  const server = await Server.open(config, { clock, random, log });
  say(`ready: API ${server.apiUrl}, broker ${server.brokerUrl ?? 'none'}, programme ${config.tenant}`);
  log.info({ event: 'server.stopping', signal: await stopped });
  await withDeadline(server.close(), {
    clock,
    deadlineMs: DRAIN_DEADLINE_MS,
    code: 'API_INTERNAL',
    what: 'stopping',
  });
  return 0;
}

/**
 * For restores the server does not notice by itself: of the embedded database's folder, or of a whole disk. To be run
 * while no server runs.
 */
async function renewEpoch(config: ServerConfig): Promise<number> {
  const log = createLog({ name: 'server', level: config.logLevel });
  const database = await Database.open(config.database, { clock, random, log }, { restored: true });
  const { epoch } = database;
  await database.close();
  say(`epoch ${epoch}: all tills will load their replicas again`);
  return 0;
}

async function audit(
  config: ServerConfig,
  { till, json = false }: { readonly till?: string | undefined; readonly json?: boolean | undefined },
): Promise<number> {
  const asked = till === undefined ? undefined : readTillName(till);
  const told = await tellAudit(
    config.database,
    { clock, random, log: silentLog },
    { till: asked, asJson: json },
  );
  say(told.text);
  return told.sound ? 0 : 1;
}

function nextSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => {
        resolve(signal);
        // Whoever asks twice does not want to wait.
        process.once(signal, () => process.exit(130));
      });
    }
  });
}

function readArguments(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        'check-config': { type: 'boolean' },
        till: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new StammkundeError('CFG_INVALID', `${asError(error).message}; usage:\n${USAGE}`, { cause: error });
  }
}

function readTillName(text: string | undefined): TillId {
  const till = TillId.safeParse(text);
  if (!till.success)
    throw new StammkundeError('CFG_INVALID', 'a till is named a-z, 0-9 and -, up to 32 characters');
  return till.data;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`stammkunde-server: ${asError(error).message}\n`);
  // Of an audit, 1 says that something differs.
  process.exitCode = process.argv.slice(2).includes('audit') ? 2 : 1;
}
// Timers of libraries must not keep a process that has ended its work.
process.exit();
