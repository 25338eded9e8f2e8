import { asError } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import type { GenerationFiles } from './generation-files.ts';

/**
 * Removes files of generations. One that cannot be removed, because a virus scanner has it open, is in nobody's way: it is
 * remembered, to be tried again later. No other generation may get its number meanwhile.
 */
export class LeftOverFiles {
  readonly #files: GenerationFiles;
  readonly #log: Log;
  readonly #numbers = new Set<number>();

  constructor(files: GenerationFiles, log: Log) {
    this.#files = files;
    this.#log = log;
  }

  /** Generations of which something is left. */
  get numbers(): readonly number[] {
    return [...this.#numbers];
  }

  /** Removes a generation, closed as it is. Never throws. */
  remove(number: number): void {
    try {
      this.#files.remove(number);
      this.#numbers.delete(number);
    } catch (error) {
      this.#numbers.add(number);
      this.#log.warn({ event: 'replica.remove.failed', generation: number, error: asError(error) });
    }
  }

  /** Removes damaged files that were put aside long ago. Never throws. */
  removeOldAside(now: number): void {
    try {
      this.#files.removeOldAside(now);
    } catch (error) {
      this.#log.warn({ event: 'replica.remove.failed', error: asError(error) });
    }
  }
}
