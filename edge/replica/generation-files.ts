import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../../foundation/folder.ts';
import { syncFolder } from './storage/folder-sync.ts';

const GENERATION = /^replica-(\d{6,})\.db(\.part)?$/;
const ASIDE = /^replica-\d{6,}\.db(?:\.part)?\.damaged-(\d+)$/;
/** How long a damaged file is kept for whoever wants to know why. It holds what customers may have erased since. */
const ASIDE_KEPT_MS = 7 * 24 * 3_600_000;
/** What lies beside a file of the storage, by what its name ends in. */
const COMPANIONS = ['-wal', '-shm', '-journal', '-lock', '-lock-journal'] as const;

/**
 * The files of a replica's folder:
 *
 *   replica-000002.db            a generation that was complete: it got this name, by a rename, when it was
 *   replica-000003.db.part       one that is being loaded: what it lacks means nothing
 *   replica-000001.db.damaged-…  the last damaged one, kept for a week for whoever wants to know why
 *   replica.seal                 what the serving one was last known to hold
 *
 * Numbers only ever grow, so that no older file can pass for a newer one.
 */
export class GenerationFiles {
  readonly #folder: string;

  /** Makes the folder when there is none. @throws StammkundeError DATA_UNWRITABLE */
  constructor(folder: string) {
    makeFolder(folder);
    this.#folder = folder;
  }

  get sealPath(): string {
    return join(this.#folder, 'replica.seal');
  }

  /** Path of a generation that is complete, whether or not there is one. */
  path(generation: number): string {
    return join(this.#folder, `replica-${String(generation).padStart(6, '0')}.db`);
  }

  /** Path of a generation that is being loaded, whether or not there is one. */
  partPath(generation: number): string {
    return `${this.path(generation)}.part`;
  }

  /** Generations that are complete, the newest first. */
  complete(): readonly number[] {
    return this.#numbers(undefined);
  }

  /** Generations that are being loaded, the newest first. */
  parts(): readonly number[] {
    return this.#numbers('.part');
  }

  /** Gives a generation that was loaded, closed and is on the medium the name of a complete one. */
  finish(generation: number): void {
    const part = this.partPath(generation);
    renameSync(part, this.path(generation));
    syncFolder(part);
    try {
      for (const companion of COMPANIONS) rmSync(part + companion, { force: true });
    } catch {
      // They are empty, and nothing bears their name any more.
    }
  }

  /** Removes a generation, complete or not. */
  remove(generation: number): void {
    for (const file of [this.path(generation), this.partPath(generation)]) removeWithCompanions(file);
  }

  /**
   * Puts a damaged file out of the way, in place of the one put there before; where nothing else is complete, beside the
   * newest of those, which may hold more. Returns its new path.
   */
  setAside(generation: number, at: number): string {
    const aways = readdirSync(this.#folder)
      .filter((name) => ASIDE.test(name))
      .toSorted();
    const kept = this.complete().some((each) => each !== generation) ? 0 : 1;
    for (const name of aways.slice(0, Math.max(0, aways.length - kept))) {
      rmSync(join(this.#folder, name), { force: true });
    }
    const file = existsSync(this.path(generation)) ? this.path(generation) : this.partPath(generation);
    const aside = `${file}.damaged-${at}`;
    if (existsSync(file)) renameSync(file, aside);
    this.remove(generation);
    return aside;
  }

  /** Removes what was put aside more than a week ago, by the machine's clock. @throws as the file system does */
  removeOldAside(now: number): void {
    for (const name of readdirSync(this.#folder)) {
      const at = ASIDE.exec(name)?.[1];
      // One of the future was put there by a clock that was wrong: its week begins at an unknown time, so it is over.
      if (at !== undefined && Math.abs(now - Number(at)) > ASIDE_KEPT_MS) {
        rmSync(join(this.#folder, name), { force: true });
      }
    }
  }

  #numbers(suffix: '.part' | undefined): readonly number[] {
    return readdirSync(this.#folder)
      .flatMap((name) => {
        const [, number, part] = GENERATION.exec(name) ?? [];
        return number !== undefined && part === suffix ? [Number(number)] : [];
      })
      .toSorted((a, b) => b - a);
  }
}

function removeWithCompanions(file: string): void {
  for (const suffix of ['', ...COMPANIONS]) rmSync(file + suffix, { force: true });
}
