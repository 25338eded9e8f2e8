import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../../foundation/folder.ts';

const GENERATION = /^replica-(\d{6,})\.db$/;
const ASIDE = /^replica-\d{6,}\.db\.damaged-\d+$/;

/** The files of a replica's folder: one a generation, and the last damaged one, kept for whoever wants to know why. */
export class GenerationFiles {
  readonly #folder: string;

  /** Makes the folder when there is none. */
  constructor(folder: string) {
    makeFolder(folder);
    this.#folder = folder;
  }

  /** Path of a generation's file, whether or not there is one. */
  path(generation: number): string {
    return join(this.#folder, `replica-${String(generation).padStart(6, '0')}.db`);
  }

  /** Generations there are files of, the oldest first. */
  present(): readonly number[] {
    return readdirSync(this.#folder)
      .flatMap((name) => GENERATION.exec(name)?.[1] ?? [])
      .map(Number)
      .toSorted((a, b) => a - b);
  }

  remove(generation: number): void {
    for (const suffix of ['', '-wal', '-shm', '-journal']) {
      rmSync(this.path(generation) + suffix, { force: true });
    }
  }

  /** Puts a damaged file out of the way, in place of the one put there before. Returns its new path. */
  setAside(generation: number, at: number): string {
    for (const name of readdirSync(this.#folder)) {
      if (ASIDE.test(name)) rmSync(join(this.#folder, name), { force: true });
    }
    const aside = `${this.path(generation)}.damaged-${at}`;
    if (existsSync(this.path(generation))) renameSync(this.path(generation), aside);
    this.remove(generation);
    return aside;
  }
}
