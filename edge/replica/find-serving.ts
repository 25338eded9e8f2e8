import type { Clock } from '../../foundation/clock.ts';
import { StammkundeError, asError } from '../../foundation/errors.ts';
import type { Log } from '../../foundation/log.ts';
import type { GenerationFiles } from './generation-files.ts';
import { ReplicaReader } from './replica-reader.ts';
import { usableNote } from './replica-note.ts';
import type { ReplicaNote } from './replica-note.ts';
import { isAtLeast, readSeal, writeSeal } from './replica-seal.ts';
import type { Seal } from './replica-seal.ts';
import { discard, isUnusable } from './unusable-file.ts';

/** A complete generation, open for reading. */
export interface FoundServing {
  readonly generation: number;
  readonly file: string;
  readonly reader: ReplicaReader;
  readonly note: ReplicaNote;
  /** False when an older copy may have been put back: then it must not count as caught up before it is verified. */
  readonly proven: boolean;
}

interface Finding {
  readonly files: GenerationFiles;
  readonly key: Uint8Array;
  readonly owner: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The newest complete generation that can be used, without RxDB; those that cannot are taken away, and told of. To be
 * called while nobody has the files open.
 * @throws StammkundeError REP_WRONG_KEY · DATA_UNWRITABLE · DATA_IN_USE
 */
export function findServing(finding: Finding): FoundServing | undefined {
  const { files, key, owner, log } = finding;
  for (const generation of files.complete()) {
    const file = files.path(generation);
    let reader: ReplicaReader | undefined;
    try {
      reader = ReplicaReader.whileUnwritten({ file, key });
      const note = usableNote(reader.note(), { owner, generation, file });
      const seal = readSeal(files.sealPath, key);
      const proven = seal !== undefined && seal.owner === owner && isAtLeast(seal, generation, note);
      if (!proven) {
        const what = seal === undefined ? 'is not sealed' : 'is older than its seal';
        const error = new StammkundeError('REP_ROLLED_BACK', `${file} ${what}`);
        log.error({ event: 'replica.rolled-back', generation, error });
        if (seal !== undefined) breakSeal(files.sealPath, key, seal, log);
      }
      return { generation, file, reader, note, proven };
    } catch (error) {
      reader?.close();
      if (!isUnusable(error)) throw error;
      discard(generation, error, finding);
    }
  }
  return undefined;
}

/** What pulls until it is as new as its seal would else count again at the next start, without having been compared. */
function breakSeal(path: string, key: Uint8Array, seal: Seal, log: Log): void {
  try {
    writeSeal(path, key, { ...seal, broken: true });
  } catch (error) {
    log.warn({ event: 'replica.seal.failed', error: asError(error) });
  }
}
