import type { PeerKind } from './peer.ts';

/**
 * Every peer by the name the benchmark takes for it, ours first. Each is loaded only in the process that measures it,
 * so that its memory is its own.
 */
export const peerNames = [
  'rxdb-sqlite',
  'direct',
  'raw-plain',
  'raw-encrypted',
  'rxdb-memory',
  'pouchdb',
  'pglite',
  'postgres',
] as const;
export type PeerName = (typeof peerNames)[number];

export async function peerKind(name: PeerName): Promise<PeerKind> {
  switch (name) {
    case 'rxdb-sqlite':
      return (await import('./peers/rxdb.ts')).rxdbOverSqlite;
    case 'direct':
      return (await import('./peers/rxdb.ts')).ourStore;
    case 'rxdb-memory':
      return (await import('./peers/rxdb.ts')).rxdbInMemory;
    case 'raw-plain':
      return (await import('./peers/raw-sqlite.ts')).plainSqlite;
    case 'raw-encrypted':
      return (await import('./peers/raw-sqlite.ts')).encryptedSqlite;
    case 'pouchdb':
      return (await import('./peers/pouchdb.ts')).pouchdb;
    case 'pglite':
      return (await import('./peers/postgres.ts')).pglite;
    case 'postgres':
      return (await import('./peers/postgres.ts')).postgres;
  }
}

export function isPeerName(name: string): name is PeerName {
  return peerNames.some((each) => each === name);
}
