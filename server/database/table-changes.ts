const ASKS = /^\s*(?:select|with|\()/i;
const WAITS = /\bnextval\b|advisory|\bfor (?:no key )?update\b/i;
const ENDS = /^\s*(?:begin|commit|rollback)\s*$/i;
const WRITES_TO = /\b(?:insert\s+into|update|delete\s+from)\s+(?:public\.)?"?([a-z_]+)/gi;
const READS_FROM = /\b(?:from|join)\s+(?:public\.)?"?([a-z_]+)/gi;
/** What triggers write to when these are written. */
const TRIGGERED: Readonly<Record<string, readonly string[]>> = {
  credential: ['feed_tombstone', 'feed_range_delta'],
  customer: ['feed_tombstone', 'feed_range_delta'],
  offer: ['offer_version'],
};

/** Whether a statement only asks, and waits for nobody; false when in doubt. */
export function onlyAsks(sql: string): boolean {
  return ASKS.test(sql) && !WAITS.test(sql) && namesIn(sql, WRITES_TO).length === 0;
}

/** Which tables may have changed, from the texts of the statements. */
export class TableChanges {
  readonly #changes = new Map<string, number>();
  readonly #tables = new Map<string, readonly string[]>();
  #everything = 0;

  /** Takes note of a statement that was carried out. */
  carriedOut(sql: string): void {
    if (onlyAsks(sql) || ENDS.test(sql)) return;
    const names = namesIn(sql, WRITES_TO);
    if (names.length === 0 && !ASKS.test(sql)) this.#everything += 1;
    for (const name of names) {
      for (const each of [name, ...(TRIGGERED[name] ?? [])]) {
        this.#changes.set(each, (this.#changes.get(each) ?? 0) + 1);
      }
    }
  }

  /** Grows when something may have changed that a statement reads. */
  before(sql: string): number {
    let tables = this.#tables.get(sql);
    if (tables === undefined) {
      tables = [...new Set(namesIn(sql, READS_FROM))];
      this.#tables.set(sql, tables);
    }
    return tables.reduce((sum, name) => sum + (this.#changes.get(name) ?? 0), this.#everything);
  }
}

function namesIn(sql: string, pattern: RegExp): readonly string[] {
  return [...sql.matchAll(pattern)].map(([, name = '']) => name);
}
