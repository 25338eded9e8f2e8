import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { z } from 'zod';
import type { Closable } from '../../foundation/lifecycle.ts';

const Note = z.discriminatedUnion('what', [
  z.strictObject({
    what: z.literal('asked'),
    round: z.int(),
    till: z.string(),
    saleId: z.string(),
    totalMinor: z.int(),
  }),
  z.strictObject({
    what: z.literal('ok'),
    saleId: z.string(),
    entry: z.strictObject({ seq: z.int(), id: z.string(), hash: z.string() }),
  }),
  /** The till said that it did not keep it, and was not asked again. */
  z.strictObject({ what: z.literal('refused'), saleId: z.string(), code: z.string() }),
]);
export type Note = z.infer<typeof Note>;

/** What an onlooker wrote down of a sale. */
export interface Witnessed {
  readonly saleId: string;
  readonly round: number;
  readonly till: string;
  readonly totalMinor: number;
  /** What the till said OK to; undefined when nobody heard one. */
  readonly entry: { readonly seq: number; readonly id: string; readonly hash: string } | undefined;
  /** Why it was refused for good. */
  readonly refused: string | undefined;
}

/** Writes down, on disk, what a till is about to be asked and what it answered. It knows nothing of the system. */
export class Oracle implements Closable {
  readonly path: string;
  readonly #file: number;
  #closed = false;

  constructor(path: string) {
    this.path = path;
    this.#file = openSync(path, 'ax', 0o600);
  }

  /** On the disk when it returns. */
  note(note: Note): void {
    writeSync(this.#file, `${JSON.stringify(note)}\n`);
    fsyncSync(this.#file);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#file);
  }
}

/** @throws Error when the till said OK twice, to different entries */
export function readOracle(path: string): ReadonlyMap<string, Witnessed> {
  const sales = new Map<string, Witnessed>();
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (line === '') continue;
    const note = Note.parse(JSON.parse(line));
    const known = sales.get(note.saleId);
    switch (note.what) {
      case 'asked':
        sales.set(note.saleId, { ...note, entry: undefined, refused: undefined });
        break;
      case 'ok':
        if (known === undefined) throw new Error(`an OK to sale ${note.saleId}, which nobody asked for`);
        if (known.entry !== undefined && known.entry.hash !== note.entry.hash)
          throw new Error(`sale ${note.saleId} got two OKs, to different entries`);
        sales.set(note.saleId, { ...known, entry: note.entry });
        break;
      case 'refused':
        if (known !== undefined) sales.set(note.saleId, { ...known, refused: note.code });
    }
  }
  return sales;
}
