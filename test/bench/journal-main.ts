import { generateKeyPairSync } from 'node:crypto';
import { SystemClock } from '../../foundation/clock.ts';
import { silentLog } from '../../foundation/log.ts';
import { SystemRandom } from '../../foundation/random.ts';
import { Journal } from '../../edge/journal/journal.ts';
import type { Bus } from '../../sync/bus.ts';
import { JournalBatch } from '../../sync/contract/messages.ts';
import { signStatement } from '../../sync/contract/server-signature.ts';
import { topicsOf } from '../../sync/contract/topics.ts';
import { decode } from '../../sync/contract/wire.ts';
import { JournalUpload } from '../../sync/journal-upload.ts';
import { StatementReader } from '../../sync/statement-reader.ts';
import { BENCH_JOURNAL_KEY, BENCH_TILL } from './journal.ts';
import type { JournalSample } from './journal.ts';

/** `journal-main.ts FILE UPLOADED`, with --expose-gc: opens a journal, uploads so many entries, prints a sample. */
const [file = '', uploaded = ''] = process.argv.slice(2);
const clock = new SystemClock();
const random = new SystemRandom();
const ports = { clock, random, log: silentLog };
const rssMb = (): number => {
  globalThis.gc?.();
  return Math.round(process.memoryUsage.rss() / 1e5) / 10;
};

const rssBefore = rssMb();
const openedAt = clock.monotonicMs();
const journal = await Journal.open({
  file,
  key: BENCH_JOURNAL_KEY,
  till: BENCH_TILL,
  unconfirmedMax: 10_000_000,
  ...ports,
});
const openMs = clock.monotonicMs() - openedAt;
const rssOpened = rssMb();

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const topics = topicsOf('bench');
const upload = new JournalUpload({
  journal,
  topics,
  reader: new StatementReader({ till: BENCH_TILL, publicKey, clock, log: silentLog }),
  ...ports,
});
let version = 0;
const [receipts] = upload.subscriptions;
/** A server that takes whatever comes, in the same process: what is measured is the till's half. */
const bus: Bus = {
  connected: true,
  onConnection: () => () => {},
  close: () => Promise.resolve(),
  publish: async (topic, payload) => {
    const { entries } = decode(payload, JournalBatch);
    const last = entries.at(-1);
    if (last === undefined) return 'sent';
    const body = {
      incarnation: journal.owner.incarnation,
      contiguous: last.seq,
      hash: last.hash,
      holes: [],
      verdicts: [],
      serverTime: clock.now(),
    };
    const statement = { to: BENCH_TILL, kind: 'receipt' as const, expiresAt: clock.now() + 60_000, body };
    receipts?.onMessage(topic, signStatement({ ...statement, version: (version += 1) }, privateKey));
    return 'sent';
  },
};
const target = Math.min(Number(uploaded), journal.lastSeq);
const startedAt = clock.monotonicMs();
upload.start(bus);
while (journal.confirmedSeq < target) await new Promise((resolve) => setImmediate(resolve));
const seconds = (clock.monotonicMs() - startedAt) / 1_000;
const sent = journal.confirmedSeq;
await upload.close();
const sample: JournalSample = {
  entries: journal.lastSeq,
  openMs: Math.round(openMs * 10) / 10,
  openRssMb: Math.round((rssOpened - rssBefore) * 10) / 10,
  rssMb: rssMb(),
  uploaded: sent,
  uploadPerSecond: Math.round(sent / seconds),
};
await journal.close();
process.stdout.write(`${JSON.stringify(sample)}\n`);
