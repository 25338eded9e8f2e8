import { asError } from '../foundation/errors.ts';
import type { Log } from '../foundation/log.ts';
import type { Subscription } from './bus.ts';
import type { TillId } from './contract/ids.ts';
import type { Command } from './contract/messages.ts';
import type { Topics } from './contract/topics.ts';
import type { ObeyedVersions } from './obeyed-versions.ts';
import type { StatementReader } from './statement-reader.ts';

/** Hears the server's orders; each is passed on once, and none that is older than one already obeyed. */
export class CommandListener {
  readonly subscriptions: readonly Subscription[];
  readonly #reader: StatementReader;
  readonly #versions: ObeyedVersions;
  readonly #log: Log;
  readonly #onCommand: (command: Command) => void;

  constructor(options: {
    readonly till: TillId;
    readonly topics: Topics;
    readonly reader: StatementReader;
    readonly versions: ObeyedVersions;
    readonly log: Log;
    /** Must only take note. When it throws, the command counts as not obeyed. */
    readonly onCommand: (command: Command) => void;
  }) {
    this.#reader = options.reader;
    this.#versions = options.versions;
    this.#log = options.log;
    this.#onCommand = options.onCommand;
    this.subscriptions = [
      {
        filter: options.topics.command(options.till),
        onMessage: (_topic, payload) => this.#onMessage(payload),
      },
    ];
  }

  #onMessage(payload: Uint8Array): void {
    const statement = this.#reader.read('command', payload);
    if (statement === undefined) return;
    const last = this.#versions.last('command');
    if (statement.version <= last) {
      // The same version again is the bus delivering twice.
      if (statement.version < last) {
        this.#reader.reject('WIRE_EXPIRED', 'command', `version ${statement.version} came after ${last}`);
      }
      return;
    }
    const { kind } = statement.body;
    try {
      this.#onCommand(statement.body);
      this.#versions.obeyed('command', statement.version);
      this.#log.info({ event: 'command.obeyed', kind, version: statement.version });
    } catch (error) {
      this.#log.error({ event: 'command.failed', kind, version: statement.version, error: asError(error) });
    }
  }
}
