import { zstdDecompressSync } from 'node:zlib';
import type { Database } from '../../../server/database/database.ts';

/** The kept chunks in which any of the texts stands, once they are unpacked. */
export async function chunksWith(database: Database, texts: readonly string[]): Promise<readonly string[]> {
  const chunks = await database.db.selectFrom('snapshot_chunk').select(['sha256', 'bytes']).execute();
  return chunks.flatMap(({ sha256, bytes }) => {
    const text = zstdDecompressSync(bytes).toString();
    return texts.some((each) => text.includes(each)) ? [sha256] : [];
  });
}
