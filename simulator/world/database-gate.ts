import { onlyAsks } from '../../server/database/table-changes.ts';
import type { Random } from '../../foundation/random.ts';
import type {
  MemoryEngine,
  Statement,
  StatementGate,
  StatementResult,
} from '../../server/database/memory-engine.ts';

/** Answers kept of what is asked again and again while nothing changes. */
const KEPT_MAX = 64;
const MOVES_MARKS = /update till_progress/;

/**
 * A connection that may fail: the database may be away, also after it has committed and before it says so, and the
 * process that asks may be killed before or after any statement.
 */
export class DatabaseGate {
  readonly #engine: MemoryEngine;
  readonly #random: Random;
  readonly #kept = new Map<string, { readonly before: number; readonly result: StatementResult }>();
  #movedMarks = false;
  away = false;
  /** Counts down with each statement; at 0 the process is killed. */
  killAfterStatements: number | undefined;
  onKill: () => void = () => {};
  /** Told after each commit that moved a journal's mark. */
  onCommit: () => Promise<void> = () => Promise.resolve();
  /** Changes statements, for mutants. */
  rewrite: (statement: Statement) => Statement = (statement) => statement;
  /** Reads that may see what stood before others committed: true to answer with no rows. */
  seesNothing: (statement: Statement) => boolean = () => false;

  constructor(engine: MemoryEngine, random: Random) {
    this.#engine = engine;
    this.#random = random;
  }

  readonly pass: StatementGate = async (asked, carryOut) => {
    const isKilled = this.#isKilled();
    if (isKilled && this.#random.next() < 0.5) return this.#kill();
    if (this.away) throw refused();
    if (this.seesNothing(asked)) return { rows: [] };
    const statement = this.rewrite(asked);
    const result = await this.#read(statement, carryOut);
    if (MOVES_MARKS.test(statement.sql)) this.#movedMarks = true;
    if (statement.sql === 'commit' && this.#movedMarks) {
      this.#movedMarks = false;
      await this.onCommit();
    }
    if (isKilled) return this.#kill();
    // Committed or not, who asked cannot know.
    if (this.away) throw refused();
    return result;
  };

  async #read(
    statement: Statement,
    carryOut: (statement: Statement) => Promise<StatementResult>,
  ): Promise<StatementResult> {
    const { sql, parameters, inTransaction } = statement;
    if (inTransaction || !onlyAsks(sql)) return carryOut(statement);
    const key = `${sql}\0${JSON.stringify(parameters)}`;
    const { changes } = this.#engine;
    const before = changes.before(sql);
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.before === before) return kept.result;
    const result = await carryOut(statement);
    if (this.#kept.size >= KEPT_MAX) this.#kept.clear();
    this.#kept.set(key, { before, result });
    return result;
  }

  #isKilled(): boolean {
    if (this.killAfterStatements === undefined) return false;
    this.killAfterStatements -= 1;
    return this.killAfterStatements <= 0;
  }

  #kill(): Promise<never> {
    this.killAfterStatements = undefined;
    this.onKill();
    return new Promise(() => {});
  }
}

function refused(): Error {
  return Object.assign(new Error('the database is away, as simulated'), { code: 'ECONNREFUSED' });
}
