// What the writer's thread runs; `workerData` is the WriterStart.
import { parentPort, workerData } from 'node:worker_threads';
import { SystemClock } from '../../../foundation/clock.ts';
import { machineTime } from '../../../foundation/machine-time.ts';
import { ProgrammerError, asError } from '../../../foundation/errors.ts';
import type { Log, LogFields } from '../../../foundation/log.ts';
import { SystemRandom } from '../../../foundation/random.ts';
import type { Answer, Question } from '../../../sync/contract/messages.ts';
import type { SnapshotQuestions } from '../../../sync/snapshot-client.ts';
import type { ReplicaSource } from '../feed-source.ts';
import { ReplicaKeeper } from '../replica-keeper.ts';
import type { ReadTarget, WriterStart } from '../replica-writer.ts';
import type { Answers, Ask, FromThread, LogLine, ToThread } from './messages.ts';
import { fromThrown, toThrown } from './thrown.ts';

/** About as long as a slice of loading may take: lookups do not wait for it, orders and answers do. */
const SLICE_MS = 50;

const port = parentPort;
if (port === null) throw new ProgrammerError('this is the program of a thread');

function tell(message: FromThread): void {
  port?.postMessage(message);
}

function logAt(level: LogLine['level']): (fields: LogFields) => void {
  return (fields) => {
    const plain = Object.fromEntries(
      Object.entries(fields).map(([name, value]) => [name, value instanceof Error ? toThrown(value) : value]),
    );
    tell({ kind: 'log', level, fields: { ...plain, event: fields.event } });
  };
}

const log: Log = { error: logAt('error'), warn: logAt('warn'), info: logAt('info'), debug: logAt('debug') };
process.on('unhandledRejection', (reason) =>
  log.error({ event: 'process.unhandled', error: asError(reason) }),
);

/** Questions to the other thread that are not answered yet. */
const waiting = new Map<number, PromiseWithResolvers<Answers[keyof Answers] | undefined>>();
let questions = 0;

function question(message: (id: number) => FromThread): Promise<Answers[keyof Answers] | undefined> {
  questions += 1;
  const answered = Promise.withResolvers<Answers[keyof Answers] | undefined>();
  waiting.set(questions, answered);
  tell(message(questions));
  return answered.promise;
}

function takeWaiting(id: number): PromiseWithResolvers<Answers[keyof Answers] | undefined> {
  const found = waiting.get(id);
  if (found === undefined) throw new ProgrammerError(`nothing was asked as ${id}`);
  waiting.delete(id);
  return found;
}

async function ask<K extends Ask['kind']>(asked: Extract<Ask, { kind: K }>): Promise<Answers[K]> {
  // The other side answers each kind of question with the answer of its kind.
  return (await question((id) => ({ kind: 'ask', id, ask: asked }))) as Answers[K];
}

function sourceOf({ compares, hasSnapshots }: Extract<ToThread, { kind: 'follow' }>): ReplicaSource {
  // A question of the client is answered with the answer of its kind.
  const snapshots: SnapshotQuestions = {
    ask: async <K extends 'snapshot.offer' | 'snapshot.chunk'>(asked: Question<K>) =>
      (await ask<'snapshot'>({
        kind: 'snapshot',
        question: asked as Question<'snapshot.offer'>,
      })) as Answer<K>,
  };
  return {
    ...(hasSnapshots ? { snapshots } : {}),
    pull: (collection, after, limit) => ask<'pull'>({ kind: 'pull', collection, after, limit }),
    ...(compares
      ? {
          ranges: (collection, at) => ask<'ranges'>({ kind: 'ranges', collection, at }),
          bucket: (collection, bucket, after, limit) =>
            ask<'bucket'>({ kind: 'bucket', collection, bucket, after, limit }),
        }
      : {}),
  };
}

// Structured clone gives it back as it was given.
const start = workerData as WriterStart;
const keeper = ReplicaKeeper.open(
  { ...start, sliceMs: SLICE_MS },
  {
    clock: new SystemClock(machineTime),
    random: new SystemRandom(),
    log,
    listener: {
      readFrom: async (target: ReadTarget | null) => {
        await question((id) => ({ kind: 'read-from', id, target }));
      },
      onCaughtUp: (collection, position, changed) =>
        tell({ kind: 'caught-up', collection, position, changed }),
      onStatus: (status) => tell({ kind: 'status', status }),
    },
  },
);

keeper.then(
  () => tell({ kind: 'opened' }),
  (error: unknown) => tell({ kind: 'failed', error: toThrown(error) }),
);

function obey(writer: ReplicaKeeper, message: ToThread): void {
  switch (message.kind) {
    case 'follow':
      writer.follow(sourceOf(message));
      return;
    case 'resync':
      writer.resync(message.collections);
      return;
    case 'reseed':
      writer.reseed(message.reason);
      return;
    case 'damage':
      writer.reportDamage(message.generation, fromThrown(message.error));
      return;
    case 'idle':
      void writer.idle().then(() => tell({ kind: 'idle', id: message.id }));
      return;
    case 'close':
      void writer
        .close()
        .catch((error: unknown) => log.warn({ event: 'replica.close.failed', error: asError(error) }))
        .then(() => {
          tell({ kind: 'closed' });
          port?.close();
        });
      return;
    case 'answer':
    case 'refusal':
    case 'reading':
      throw new ProgrammerError('an answer is no order');
  }
  throw new ProgrammerError('a message of no known kind');
}

port.on('message', (message: ToThread) => {
  switch (message.kind) {
    case 'answer':
      takeWaiting(message.id).resolve(message.answer);
      return;
    case 'refusal':
      takeWaiting(message.id).reject(fromThrown(message.error));
      return;
    case 'reading':
      takeWaiting(message.id).resolve(undefined);
      return;
    case 'follow':
    case 'resync':
    case 'reseed':
    case 'damage':
    case 'idle':
    case 'close':
      // A writer that could not be opened has said so, and its thread is ended.
      void keeper.then(
        (writer) => obey(writer, message),
        () => {},
      );
      return;
  }
  throw new ProgrammerError('a message of no known kind');
});
