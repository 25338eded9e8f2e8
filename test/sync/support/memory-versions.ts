import type { ObeyedVersions } from '../../../sync/obeyed-versions.ts';

/** Versions kept in memory, as a restart-proof store would. */
export class MemoryVersions implements ObeyedVersions {
  readonly #last = { command: 0, urgent: 0 };

  last(kind: 'command' | 'urgent'): number {
    return this.#last[kind];
  }

  obeyed(kind: 'command' | 'urgent', version: number): void {
    this.#last[kind] = version;
  }
}
