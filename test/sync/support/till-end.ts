import { silentLog } from '../../../foundation/log.ts';
import type { Log, LogFields } from '../../../foundation/log.ts';
import { SeededRandom } from '../../../foundation/random.ts';
import type { Subscription } from '../../../sync/bus.ts';
import { MemoryBroker } from '../../../sync/mqtt/memory-broker.ts';
import { MemoryBus } from '../../../sync/mqtt/memory-bus.ts';
import { RequestClient } from '../../../sync/request.ts';
import type { RequestLimits } from '../../../sync/request.ts';
import { StatementReader } from '../../../sync/statement-reader.ts';
import { ManualClock, settle } from '../../support/manual-clock.ts';
import { OWNER } from './memory-journal.ts';
import { ModelServer, keys, topics } from './model-server.ts';

/** A till's end with a request client, a broker in memory, and the model server behind it. */
export class TillEnd {
  readonly clock = new ManualClock();
  readonly random = new SeededRandom(3);
  readonly lines: (LogFields & { readonly level: string })[] = [];
  readonly log: Log;
  readonly broker: MemoryBroker;
  readonly reader: StatementReader;
  readonly requests: RequestClient;

  private constructor(limits?: RequestLimits) {
    const keep =
      (level: string) =>
      (fields: LogFields): void =>
        void this.lines.push({ ...fields, level });
    this.log = { error: keep('error'), warn: keep('warn'), info: keep('info'), debug() {} };
    this.broker = new MemoryBroker({ clock: this.clock, log: silentLog });
    this.reader = new StatementReader({
      till: OWNER.till,
      publicKey: keys.publicKey,
      clock: this.clock,
      log: this.log,
    });
    this.requests = new RequestClient({
      till: OWNER.till,
      topics,
      reader: this.reader,
      clock: this.clock,
      random: this.random,
      ...(limits === undefined ? {} : { limits }),
    });
  }

  static async open(
    options: {
      readonly limits?: RequestLimits;
      readonly parts?: (end: TillEnd) => readonly Subscription[];
    } = {},
  ): Promise<{ end: TillEnd; bus: MemoryBus; server: ModelServer }> {
    const end = new TillEnd(options.limits);
    const server = await ModelServer.open(end.broker, end.clock, OWNER);
    const bus = await MemoryBus.open(end.broker, {
      clock: end.clock,
      log: end.log,
      subscriptions: [...end.requests.subscriptions, ...(options.parts?.(end) ?? [])],
    });
    await settle();
    end.requests.start(bus);
    return { end, bus, server };
  }
}
