import { fileURLToPath } from 'node:url';
import type { FaultKind } from './faults.ts';

/** A piece of the programs' text, and what stands in its place. It occurs once, or the mutant cannot be made. */
interface Change {
  /** From the project's folder. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Mutant {
  readonly what: string;
  readonly changes: readonly Change[];
  /** Under which it has to show. */
  readonly kinds: readonly FaultKind[];
}

/** Promises of the design, each broken in the programs while they are loaded. */
export const mutants = {
  'ack-before-commit': {
    what: 'the server acknowledges a batch before it is committed',
    kinds: ['kill-worker', 'kill-all-workers', 'kill-database'],
    changes: [
      {
        file: 'server/intake/intake.ts',
        from: 'outcome = await this.#commit(group);',
        to: `await (async (): Promise<void> => {
               const { statements, bus, topics, clock } = this.#ports;
               for (const { till, incarnation, entries } of group) {
                 const { seq, hash } = entries[entries.length - 1];
                 const body = { incarnation, contiguous: seq, hash, holes: [], verdicts: [], serverTime: clock.now() };
                 const receipt = await statements.sign('receipt', till, body);
                 await bus.publish(topics.receipt(till), receipt, { qos: 1 });
               }
             })();
             outcome = await this.#commit(group);`,
      },
    ],
  },
  'answer-before-disk': {
    what: 'a till says OK to a sale that is on its disk a moment later',
    kinds: ['kill-till', 'kill-till-and-worker'],
    changes: [
      {
        file: 'edge/journal/journal-database.ts',
        from: "connection.exec('BEGIN IMMEDIATE');",
        to: `if (!connection.inTransaction) {
               connection.exec('BEGIN IMMEDIATE');
               setTimeout(() => connection.inTransaction && connection.exec('COMMIT'), 500);
             }`,
      },
      {
        file: 'edge/journal/journal-database.ts',
        from: "connection.exec('COMMIT');\n      return result;",
        to: 'return result;',
      },
    ],
  },
  'send-and-forget': {
    what: 'a till sends each sale once and forgets it, whatever becomes of it',
    kinds: ['kill-broker', 'kill-all-workers', 'net-cut'],
    changes: [
      {
        file: 'sync/journal-upload.ts',
        from: '// Encoding takes a moment; scans go first.',
        to: `this.#journal.confirm(last.seq, 0);
             this.#window.ack(last.seq, this.#clock.monotonicMs());`,
      },
      {
        file: 'sync/journal-upload.ts',
        from: '} else if (this.#mayRegress(nowMs)) {',
        to: '} else if (nowMs < 0) {',
      },
    ],
  },
} as const satisfies Readonly<Record<string, Mutant>>;

export type MutantName = keyof typeof mutants;

export function isMutant(name: string): name is MutantName {
  return Object.hasOwn(mutants, name);
}

/** Names the mutant to a program that loads {@link MUTATE} first. */
export const MUTANT_VARIABLE = 'STAMMKUNDE_FAULTS_MUTANT';

/** What a program loads first to be a mutant. */
export const MUTATE: string = fileURLToPath(new URL('./mutate.ts', import.meta.url));
