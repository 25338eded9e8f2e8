import type { ReactNode } from 'react';
import type { Instant } from '../../../foundation/clock.ts';
import type { ReaderView, SyncView } from '../../api/events.ts';
import { inert } from '../inert.ts';
import { readersInTrouble } from '../scene.ts';
import type { HandedOn } from '../state.ts';
import type { Texts } from '../texts/texts.ts';
import { SmallIcon, type SmallIconName } from './icons.tsx';
import { SeedingLine } from './seeding-line.tsx';
import { type Speech, useSpeech } from './speech.tsx';

/** From this age on the customer data are worth a word, ms. */
const REPLICA_OLD_MS = 15 * 60_000;
/** They are compared with the server's every hour; from this age of the last comparison on that is worth one, ms. */
const COMPARISON_OLD_MS = 3 * 3_600_000;

interface StatusBarProps {
  readonly sync: SyncView | null;
  readonly readers: readonly ReaderView[];
  /** What became of the product last read, while it is worth a word. */
  readonly handedOn: HandedOn | null;
  readonly now: Instant | null;
}

/** Whether all is well, always in the same place. What is not known is not shown. */
export function StatusBar({ sync, readers, handedOn, now }: StatusBarProps): ReactNode {
  const speech = useSpeech();
  const { t, format } = speech;
  const troubled = readersInTrouble(readers);
  const seeding = sync?.replica.seeding ?? null;
  const replica = sync === null ? null : replicaWord(sync.replica, now, speech);
  return (
    <footer className="status">
      {handedOn !== null && (
        <span className="handed-on" data-handed-on={handedOn} role="status">
          <Fact
            icon={handedOn === 'handed-on' ? 'up' : 'reader'}
            tone={handedOn === 'handed-on' ? 'good' : 'warn'}
            words={handedOnWords(handedOn, t)}
          />
        </span>
      )}
      {sync !== null && (
        <>
          {sync.server === 'connected' ? (
            <Fact icon="server" tone="good" words={t.serverReached} />
          ) : (
            <Fact icon="no-server" tone="warn" words={t.serverGone} />
          )}
          {sync.diverged && <Fact icon="up" tone="warn" words={t.journalDiverged} />}
          {sync.unanswered === true && <Fact icon="up" tone="warn" words={t.journalUnanswered} />}
          {sync.unconfirmed === 0 ? (
            <Fact icon="up" tone="calm" words={t.nothingWaits} />
          ) : (
            <Fact
              icon="up"
              tone={sync.server === 'connected' ? 'calm' : 'warn'}
              words={t.entriesWait(sync.unconfirmed, format.count(sync.unconfirmed))}
            />
          )}
        </>
      )}
      {seeding !== null && <SeedingLine seeding={seeding} />}
      {replica !== null && <Fact icon="data" tone={replica.tone} words={replica.words} />}
      {troubled.length > 0 && (
        <Fact
          icon="reader"
          tone="warn"
          words={t.readersWait(troubled.map((reader) => inert(reader.id, 24)).join(', '))}
        />
      )}
    </footer>
  );
}

function handedOnWords(kind: HandedOn, t: Texts): string {
  switch (kind) {
    case 'handed-on':
      return t.handedOn;
    case 'waiting':
      return t.handedOnWaiting;
    case 'paused':
      return t.handedOnPaused;
  }
}

function Fact(props: { icon: SmallIconName; tone: 'good' | 'calm' | 'warn'; words: string }): ReactNode {
  return (
    <span className={`fact fact-${props.tone}`} title={props.words}>
      <SmallIcon name={props.icon} />
      <span>{props.words}</span>
    </span>
  );
}

interface Word {
  readonly tone: 'calm' | 'warn';
  readonly words: string;
}

/** What is to be said about the replica; null when all is well, or its loading is told of already. */
function replicaWord(replica: SyncView['replica'], now: Instant | null, { t, format }: Speech): Word | null {
  if (replica.proven === false) return { tone: 'calm', words: t.replicaUnproven };
  if (!replica.ready) {
    const isTold = replica.seeding !== undefined && replica.seeding !== null;
    return isTold ? null : { tone: 'warn', words: t.replicaLoading };
  }
  const since = (at: Instant | null | undefined): number | null =>
    at === null || at === undefined || now === null ? null : now - at;
  // The till's clock was set back: it cannot tell, and no more can the page.
  const ageMs = replica.ageMs === null ? null : (since(replica.caughtUpAt) ?? replica.ageMs);
  if (ageMs === null) return { tone: 'warn', words: t.replicaUnknown };
  const old = ageMs < REPLICA_OLD_MS ? null : format.ago(ageMs);
  if (old !== null) return { tone: 'warn', words: t.replicaAge(old) };
  const comparedMs = since(replica.verifiedAt);
  const compared = comparedMs === null || comparedMs < COMPARISON_OLD_MS ? null : format.ago(comparedMs);
  return compared === null ? null : { tone: 'calm', words: t.replicaUnverified(compared) };
}
