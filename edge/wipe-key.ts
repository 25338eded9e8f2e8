import { existsSync, renameSync, rmSync } from 'node:fs';
import { hkdfSync } from 'node:crypto';
import { join } from 'node:path';
import { StammkundeError } from '../foundation/errors.ts';
import { makeFolder } from '../foundation/folder.ts';
import type { Random } from '../foundation/random.ts';
import { KEY_BYTES, newSecret, readKeyFile, writeSecretFile } from '../foundation/secret-file.ts';
import { syncFolder } from './wipe/wipe-files.ts';

/** In the data folder of a till whose key is not in a file. */
export const WIPE_KEY_FILE = 'wipe.key';

/**
 * A key sealed by the system cannot be destroyed by this program. So what such a till encrypts with is made of that key
 * and of a second one in its data folder, which an ordered wipe can destroy; each is worth nothing without the other.
 * @throws StammkundeError KEY_UNREADABLE when there are files made with a second key that is gone · KEY_EXPOSED ·
 *   DATA_UNWRITABLE
 */
export function withWipeKey(sealed: Buffer, dataFolder: string, random: Random): Buffer {
  const path = join(dataFolder, WIPE_KEY_FILE);
  if (!existsSync(path)) {
    if (existsSync(join(dataFolder, 'journal.db'))) {
      throw new StammkundeError('KEY_UNREADABLE', `${path} is gone, and there is a journal made with it`);
    }
    makeFolder(dataFolder);
    // Under its name it is whole or not there: an empty key would keep the till from ever starting.
    const making = `${path}.new`;
    rmSync(making, { force: true });
    writeSecretFile(making, newSecret(random), 'owner');
    renameSync(making, path);
    syncFolder(dataFolder);
  }
  return Buffer.from(hkdfSync('sha256', sealed, readKeyFile(path), 'stammkunde-wipe/v1', KEY_BYTES));
}
