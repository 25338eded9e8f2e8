// A program of its own: RxDB answers a storage error with unhandled rejections, which end a till daemon, as they should,
// but would end the test run too.
//
//   node pull-with-faults.ts fault|poisoning-off FOLDER 1,4,7   pulls into FOLDER/n.db, the nth statement failing
//   node pull-with-faults.ts finish FOLDER 1,4,7                pulls each on as a restarted daemon does, says what is
//                                                               there, repairs what differs, and says it again
import { join } from 'node:path';
import { createRxDatabase } from 'rxdb';
import type { RxCollection, RxDatabase } from 'rxdb';
import { replicateRxCollection } from 'rxdb/plugins/replication';
import type { RxReplicationState } from 'rxdb/plugins/replication';
import { StammkundeError } from '../../../../foundation/errors.ts';
import { SqliteDatabase } from '../../../../edge/replica/storage/database.ts';
import { differingBuckets } from '../../../../edge/replica/storage/digests.ts';
import { getRxStorageSqlite, sqliteStoreOf } from '../../../../edge/replica/storage/storage.ts';
import { settle } from '../../../support/manual-clock.ts';
import { card, cardSchema } from './card-collection.ts';
import type { Card } from './card-collection.ts';
import { cardDigest, digestsOf } from './card-digests.ts';

const PAGE = 20;
const TOTAL = 100;
/** What fails with the nth statement is the nth of these, round and round. */
const kinds = ['SQLITE_IOERR_WRITE', 'SQLITE_BUSY', 'SQLITE_FULL', 'SQLITE_ERROR', 'SQLITE_CORRUPT'];
/** The server's cards. */
const all = Array.from({ length: TOTAL }, (_, n) => card(n));
const [, , mode = '', folder = '', positions = ''] = process.argv;

process.on('unhandledRejection', () => {});
if (mode === 'poisoning-off') {
  SqliteDatabase.prototype.poison = (error) =>
    new StammkundeError('REP_CORRUPT', 'not poisoned', { cause: error });
}

interface Position {
  readonly after: number;
}

function pull(cards: RxCollection<Card>, onPage?: () => void): RxReplicationState<Card, Position> {
  return replicateRxCollection<Card, Position>({
    collection: cards,
    replicationIdentifier: 'server',
    live: false,
    retryTime: 1,
    waitForLeadership: false,
    pull: {
      batchSize: PAGE,
      handler: async (checkpoint, batchSize) => {
        onPage?.();
        // A page is stored before the next is handed out, as a till that throttles itself does.
        await settle();
        const from = checkpoint?.after ?? 0;
        const to = Math.min(TOTAL, from + batchSize);
        const documents = Array.from({ length: to - from }, (_, i) => ({
          ...card(from + i),
          _deleted: false,
        }));
        return { documents, checkpoint: { after: to } };
      },
    },
  });
}

async function open(
  position: number,
  beforeStatement: () => void = () => {},
): Promise<{ database: RxDatabase; cards: RxCollection<Card> }> {
  const storage = getRxStorageSqlite({
    file: join(folder, `${position}.db`),
    key: new Uint8Array(32).fill(7),
    digests: { cards: cardDigest },
    beforeStatement,
  });
  const database = await createRxDatabase({ name: `shop${position}`, storage, multiInstance: false });
  const { cards } = await database.addCollections<{ cards: RxCollection<Card> }>({
    cards: { schema: cardSchema },
  });
  return { database, cards };
}

/** After a storage error RxDB may never settle what waits for its replication: some turns of the loop, no more. */
async function soon(promise: Promise<unknown>): Promise<void> {
  let ended = false;
  promise.then(
    () => (ended = true),
    () => (ended = true),
  );
  for (let turns = 0; turns < 40 && !ended; turns += 1) await settle();
}

async function pullWithFault(failing: number): Promise<void> {
  let armed = false;
  let statements = 0;
  const { cards } = await open(failing, () => {
    if (!armed) return;
    statements += 1;
    if (statements === failing) {
      throw Object.assign(new Error('what SQLite says'), { code: kinds[failing % kinds.length] });
    }
  });
  const replication = pull(cards, () => (armed = true));
  await soon(replication.awaitInitialReplication());
  await soon(replication.cancel());
}

/** What is there, and in how many buckets it differs from what the server has. */
function found(cards: RxCollection<Card>): object {
  const store = sqliteStoreOf(cards);
  return { count: store.liveCount(), differing: differingBuckets(store.digests(), digestsOf(all)).length };
}

async function pullOn(position: number): Promise<object> {
  const { database, cards } = await open(position);
  await pull(cards).awaitInitialReplication();
  const before = found(cards);
  const store = sqliteStoreOf(cards);
  const differing = new Set(differingBuckets(store.digests(), digestsOf(all)));
  store.repair({ put: all.filter((each) => differing.has(cardDigest({ ...each }).bucket)), delete: [] });
  const result = { ...before, repaired: found(cards) };
  await database.close();
  return result;
}

const results: Record<string, object> = {};
for (const position of positions.split(',').map(Number)) {
  if (mode === 'finish') results[`statement ${position}`] = await pullOn(position);
  else await pullWithFault(position);
}
process.stdout.write(JSON.stringify(results));
process.exit(0);
