import { realpathSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { SystemClock } from '../foundation/clock.ts';
import { machineTime } from '../foundation/machine-time.ts';
import { withDeadline } from '../foundation/deadline.ts';
import { StammkundeError, asError, isFault } from '../foundation/errors.ts';
import { createLog, silentLog } from '../foundation/log.ts';
import { SystemRandom } from '../foundation/random.ts';
import { programVersion } from '../foundation/version.ts';
import { readEdgeConfig } from './config.ts';

const USAGE = `stammkunde-edge: the daemon on the till

  stammkunde-edge --config till.yaml                  run
  stammkunde-edge --config till.yaml --check-config   say whether the configuration is right, and end
  stammkunde-edge readers [--config till.yaml] [--json]
                                                      say which readers are attached and what each lacks, and end
  stammkunde-edge audit --config till.yaml [--against FILE|URL [--token-file FILE]] [--json]
                                                      recompute the journal, hold it against the server's copy, and end
  stammkunde-edge rejoin --config till.yaml [--yes] [--json]
                                                      after its disk was copied or restored: enter all its journal anew
  stammkunde-edge --version
`;
/** How long closing may take before the process ends regardless; everything taken is on the disk already. */
const CLOSE_DEADLINE_MS = 10_000;
/** An audit found what does not fit. */
const EXIT_NOT_WELL = 2;
/** The till was wiped: starting it again is of no use (systemd: RestartPreventExitStatus=). */
const EXIT_WIPED = 3;

const clock = new SystemClock(machineTime);

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        'check-config': { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        against: { type: 'string' },
        'token-file': { type: 'string' },
        yes: { type: 'boolean', default: false },
        version: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new StammkundeError(
      'CFG_INVALID',
      `${asError(error).message}; it is called like this:\n\n${USAGE}`,
      { cause: error },
    );
  }
}

/** A reader whose path is a link is the device it leads to. */
function withRealPath<T extends object>(reader: T): T {
  if (!('path' in reader) || typeof reader.path !== 'string') return reader;
  try {
    return { ...reader, path: realpathSync(reader.path) };
  } catch {
    return reader; // absent, or no file at all, such as COM3
  }
}

/** What is attached, and what stands between it and the till. The libraries of the readers are loaded only here. */
async function tellReaders(configPath: string | undefined, asJson: boolean): Promise<void> {
  const { listAttachedReaders } = await import('../drivers/attached-readers.ts');
  const { reportReaders } = await import('./readers-report/readers-report.ts');
  const configured =
    configPath === undefined ? undefined : readEdgeConfig(configPath).readers.map(withRealPath);
  const { readers, denied } = await listAttachedReaders();
  const reports = reportReaders(readers, denied, configured);
  if (asJson) {
    process.stdout.write(`${JSON.stringify(reports, undefined, 2)}\n`);
    return;
  }
  const { printReport } = await import('./readers-report/print-report.ts');
  process.stdout.write(printReport(reports));
}

async function main(): Promise<void> {
  const { values, positionals } = readArguments();
  if (values.version) {
    process.stdout.write(`${programVersion()}\n`);
    return;
  }
  const [command, ...others] = positionals;
  if (!values.help && command === 'readers' && others.length === 0) {
    await tellReaders(values.config, values.json);
    return;
  }
  if (!values.help && (command === 'audit' || command === 'rejoin') && others.length === 0) {
    if (values.config === undefined)
      throw new StammkundeError(
        'CFG_INVALID',
        `${command} needs --config; it is called like this:\n\n${USAGE}`,
      );
    const { tellAudit, tellRejoin } = await import('./journal-commands.ts');
    const config = readEdgeConfig(values.config);
    const ports = {
      clock,
      random: new SystemRandom(),
      log: silentLog,
      credentialsFolder: process.env['CREDENTIALS_DIRECTORY'],
    };
    const against =
      values.against === undefined ? undefined : { place: values.against, tokenFile: values['token-file'] };
    const { text, well } =
      command === 'audit'
        ? await tellAudit(config, ports, { against, asJson: values.json })
        : await tellRejoin(config, ports, { really: values.yes, asJson: values.json });
    process.stdout.write(text);
    if (!well) process.exitCode = EXIT_NOT_WELL;
    return;
  }
  if (command !== undefined) {
    throw new StammkundeError(
      'CFG_INVALID',
      `what is ${positionals.join(' ')}? It is called like this:\n\n${USAGE}`,
    );
  }
  if (values.help || values.config === undefined) {
    (values.help ? process.stdout : process.stderr).write(USAGE);
    process.exitCode = values.help ? 0 : 1;
    return;
  }
  const config = readEdgeConfig(values.config);
  if (values['check-config']) {
    process.stdout.write(`${values.config}: ok\n`);
    return;
  }
  const log = createLog({ name: 'stammkunde-edge', level: config.logLevel });
  process.on('unhandledRejection', (reason) =>
    log.error({ event: 'process.unhandled', error: asError(reason) }),
  );
  // Only now: telling of readers or checking a configuration needs none of it.
  const [{ Till }, { obeyWipe, wipePlacesOf }] = await Promise.all([
    import('./till.ts'),
    import('./wipe/wipe.ts'),
  ]);
  const credentialsFolder = process.env['CREDENTIALS_DIRECTORY'];
  const wipeOrdered = Promise.withResolvers<void>();
  const till = await Till.open(config, {
    onWipeOrdered: wipeOrdered.resolve,
    clock,
    random: new SystemRandom(),
    log,
    version: programVersion(),
    ...(credentialsFolder === undefined ? {} : { credentialsFolder }),
  });
  process.stdout.write(`stammkunde-edge ${config.till} is ready: ${till.apiUrl}\n`);

  let ending = false;
  // An order comes before anything else, a signal included.
  void wipeOrdered.promise
    .then(() => {
      ending = true;
      return obeyWipe(till, wipePlacesOf(config), { clock, log });
    })
    .finally(() => process.exit(EXIT_WIPED));
  const end = (signal: string): void => {
    if (ending) return;
    ending = true;
    log.info({ event: 'till.ending', signal });
    withDeadline(till.close(), {
      clock,
      deadlineMs: CLOSE_DEADLINE_MS,
      code: 'BUS_TIMEOUT',
      what: 'closing',
    }).then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ event: 'till.close.failed', error: asError(error) });
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', () => end('SIGINT'));
  process.on('SIGTERM', () => end('SIGTERM'));
}

main().catch((error: unknown) => {
  process.stderr.write(`stammkunde-edge: ${asError(error).message}\n`);
  process.exit(isFault(error, 'TILL_WIPED') ? EXIT_WIPED : 1);
});
