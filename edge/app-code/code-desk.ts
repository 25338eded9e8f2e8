import type { Clock } from '../../foundation/clock.ts';
import { withDeadline } from '../../foundation/deadline.ts';
import { asError, isFault } from '../../foundation/errors.ts';
import type { Closable } from '../../foundation/lifecycle.ts';
import type { Log } from '../../foundation/log.ts';
import { deviceIdentifier } from '../../sync/contract/app-code/app-code.ts';
import type { BlindIndexer } from '../../sync/contract/blind-index.ts';
import type { AppCodeConfirm, CodeVerdict, RotatingCodeVerify } from '../../sync/contract/code-requests.ts';
import type { Credential, TrustLevel } from '../../sync/contract/credential.ts';
import { findCredential } from '../identification/find-credential.ts';
import type { ReplicaView } from '../identification/replica-view.ts';
import type { PresentedCode } from '../recognition/presented-code.ts';
import type { AppCodeVerdict, AppCodeVerifier } from './app-code-verifier.ts';
import type { Downgrade } from './downgrade.ts';

/** Nobody stands at a till longer for an answer that only raises trust. */
const ANSWER_WAIT_MS = 3_000;
/** Questions on their way at once; a till shows one customer at a time. */
const ASKING_MAX = 8;

type CodeQuestion = AppCodeConfirm | RotatingCodeVerify;

export type JudgedCode =
  | Extract<AppCodeVerdict, { readonly kind: 'refused' }>
  | {
      readonly kind: 'credential';
      readonly credential: Credential;
      readonly downgrade: Downgrade | null;
      /** What to ask the server to know better; absent where it could not help. */
      readonly question?: CodeQuestion;
    };

/** How far a credential is trusted after the server was asked. */
export interface Trusted {
  readonly trust: TrustLevel;
  readonly downgrade: Downgrade | null;
}

/**
 * What a phone shows, judged twice: at once by what is on this machine, and again by the server where it can be
 * reached. The second never holds up the first.
 */
export class CodeDesk implements Closable {
  readonly #verifier: AppCodeVerifier;
  readonly #indexer: BlindIndexer;
  readonly #replica: Pick<ReplicaView, 'credential'>;
  readonly #ask: (question: CodeQuestion) => Promise<CodeVerdict>;
  readonly #isOnline: () => boolean;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #asking = new Set<Promise<void>>();
  #closed = false;

  constructor(options: {
    readonly verifier: AppCodeVerifier;
    readonly indexer: BlindIndexer;
    readonly replica: Pick<ReplicaView, 'credential'>;
    /** @throws StammkundeError when no answer comes */
    readonly ask: (question: CodeQuestion) => Promise<CodeVerdict>;
    readonly isOnline: () => boolean;
    readonly clock: Clock;
    readonly log: Log;
  }) {
    this.#verifier = options.verifier;
    this.#indexer = options.indexer;
    this.#replica = options.replica;
    this.#ask = options.ask;
    this.#isOnline = options.isOnline;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** By what is on this machine. A rotating code cannot be judged here: its secret is not, and never will be. */
  judge(presented: Exclude<PresentedCode, { readonly kind: 'unreadable' }>): JudgedCode {
    switch (presented.kind) {
      case 'rotating-code': {
        const { credential, at, password } = presented;
        const { index } = findCredential(this.#replica, this.#indexer.formsOf(credential));
        return {
          kind: 'credential',
          credential,
          downgrade: 'not-verified',
          question: { kind: 'rotating-code.verify', index, at, password },
        };
      }
      case 'app-code': {
        const { code } = presented;
        const forms = this.#indexer.forms('app', deviceIdentifier(code.keyId));
        const verdict = this.#verifier.verify(code, findCredential(this.#replica, forms).held);
        if (verdict.kind === 'refused' || verdict.credential.trust !== 'L3') return verdict;
        const hex = Buffer.concat([code.head, code.signature]).toString('hex');
        return { ...verdict, question: { kind: 'app-code.confirm', code: hex } };
      }
    }
  }

  /**
   * Asks the server, for a bounded time, and calls back when that changes anything. Without a network, or without an
   * answer in time, it does not.
   */
  askServer(judged: JudgedCode, onTrust: (trusted: Trusted) => void): void {
    if (judged.kind === 'refused' || judged.question === undefined) return;
    if (this.#closed || !this.#isOnline() || this.#asking.size >= ASKING_MAX) return;
    const { question } = judged;
    const asking = this.#answerTo(question)
      .then((verdict) => {
        const trusted =
          verdict === undefined || this.#closed
            ? undefined
            : afterAnswer(judged.credential, question, verdict);
        if (trusted !== undefined) onTrust(trusted);
      })
      .catch((error: unknown) => {
        this.#log.error({ event: 'app-code.answer.failed', error: asError(error) });
      })
      .finally(() => void this.#asking.delete(asking));
    this.#asking.add(asking);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#asking);
  }

  async #answerTo(question: CodeQuestion): Promise<CodeVerdict | undefined> {
    try {
      return await withDeadline(this.#ask(question), {
        clock: this.#clock,
        deadlineMs: ANSWER_WAIT_MS,
        code: 'BUS_TIMEOUT',
        what: question.kind,
      });
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#log.info({ event: 'app-code.unanswered', kind: question.kind, code: error.code });
      return undefined;
    }
  }
}

/** What the server's word makes of a code; undefined when it has none on it. */
function afterAnswer(
  credential: Credential,
  question: CodeQuestion,
  verdict: CodeVerdict,
): Trusted | undefined {
  // A typed number stays one.
  const trust = credential.trust === 'L0' ? 'L0' : 'L1';
  switch (verdict) {
    case 'confirmed':
      return { trust: question.kind === 'app-code.confirm' ? 'L4' : 'L2', downgrade: null };
    case 'replayed':
      return { trust, downgrade: 'used-elsewhere' };
    case 'refused':
      return { trust, downgrade: 'refused-by-server' };
    case 'unknown':
      return undefined;
  }
}
