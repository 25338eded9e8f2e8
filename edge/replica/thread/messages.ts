import type { LogFields } from '../../../foundation/log.ts';
import type { FeedPage, FeedPosition } from '../../../sync/contract/feed.ts';
import type { Answer, Question } from '../../../sync/contract/messages.ts';
import type { BucketAnswer, RangesAnswer } from '../../../sync/contract/ranges.ts';
import type { ReplicaCollection } from '../../../sync/contract/replica-documents.ts';
import type { ReadTarget, ReseedReason, WriterStatus } from '../replica-writer.ts';
import type { Thrown } from './thrown.ts';

/** What the writer asks of the server, over the link of the thread that started it. */
export type Ask =
  | {
      readonly kind: 'pull';
      readonly collection: ReplicaCollection;
      readonly after: FeedPosition | null;
      readonly limit: number;
    }
  | { readonly kind: 'ranges'; readonly collection: ReplicaCollection; readonly at: FeedPosition }
  | {
      readonly kind: 'bucket';
      readonly collection: ReplicaCollection;
      readonly bucket: number;
      readonly after: string | null;
      readonly limit: number;
    }
  | { readonly kind: 'snapshot'; readonly question: Question<'snapshot.offer' | 'snapshot.chunk'> };

/** The answers, by kind of what was asked. */
export interface Answers {
  readonly pull: FeedPage;
  readonly ranges: RangesAnswer;
  readonly bucket: BucketAnswer;
  readonly snapshot: Answer<'snapshot.offer' | 'snapshot.chunk'>;
}

/** To the writer's thread. An `id` is what the other side called its question. */
export type ToThread =
  | { readonly kind: 'follow'; readonly compares: boolean; readonly hasSnapshots: boolean }
  | { readonly kind: 'resync'; readonly collections: readonly ReplicaCollection[] | undefined }
  | { readonly kind: 'reseed'; readonly reason: ReseedReason }
  | { readonly kind: 'damage'; readonly generation: number; readonly error: Thrown }
  | { readonly kind: 'idle'; readonly id: number }
  | { readonly kind: 'close' }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answers[keyof Answers] }
  | { readonly kind: 'refusal'; readonly id: number; readonly error: Thrown }
  | { readonly kind: 'reading'; readonly id: number };

/** From the writer's thread. */
export type FromThread =
  | { readonly kind: 'opened' }
  | { readonly kind: 'failed'; readonly error: Thrown }
  | { readonly kind: 'ask'; readonly id: number; readonly ask: Ask }
  | { readonly kind: 'read-from'; readonly id: number; readonly target: ReadTarget | null }
  | {
      readonly kind: 'caught-up';
      readonly collection: ReplicaCollection;
      readonly position: FeedPosition;
      readonly changed: boolean;
    }
  | { readonly kind: 'status'; readonly status: WriterStatus }
  | { readonly kind: 'idle'; readonly id: number }
  | { readonly kind: 'closed' }
  | { readonly kind: 'log'; readonly level: LogLine['level']; readonly fields: LogFields };

/** A line of the log on its way to the thread that writes it. Errors among its fields travel as {@link Thrown}. */
export interface LogLine {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly fields: LogFields;
}
