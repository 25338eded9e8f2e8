import { pino } from 'pino';
import { scrub } from './scrub.ts';

/** What a log line carries: the event's name first, then ids and numbers, never a sentence and never a card. */
export interface LogFields {
  readonly event: string;
  readonly [field: string]: unknown;
}

/** `error` = someone must act, `warn` = degraded but serving, `info` = business events, `debug` = frames. */
export interface Log {
  error(fields: LogFields): void;
  warn(fields: LogFields): void;
  info(fields: LogFields): void;
  debug(fields: LogFields): void;
}

export const logLevels = ['silent', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Structured JSON lines on standard error (or `write`), scrubbed of anything that looks like a card or a secret. */
export function createLog(options: {
  readonly name: string;
  readonly level: LogLevel;
  readonly write?: (line: string) => void;
}): Log {
  const write = options.write ?? ((line: string): void => void process.stderr.write(line));
  return pino(
    {
      name: options.name,
      level: options.level,
      base: { name: options.name },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.errWithCause },
    },
    { write: (line: string) => write(scrub(line)) },
  );
}

/** Says nothing; for tests and for parts used without a daemon. */
export const silentLog: Log = { error() {}, warn() {}, info() {}, debug() {} };
