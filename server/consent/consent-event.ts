import { createHash } from 'node:crypto';
import type { Instant } from '../../foundation/clock.ts';
import type { ClockQuality } from '../../sync/contract/consent.ts';
import type { ConsentDecision } from './consent-state.ts';

export const consentChannels = ['app', 'web', 'paper', 'till', 'hotline', 'import'] as const;
export type ConsentChannel = (typeof consentChannels)[number];

/** One thing a person said about one purpose, as it is kept for ever. */
export interface ConsentEvent {
  readonly eventId: string;
  /** The customer. */
  readonly subjectRef: string;
  readonly purposeCode: string;
  /** What it is about where a purpose has several objects: the blind index of a linked card. */
  readonly objectRef: string | null;
  readonly decision: ConsentDecision;
  /** Of the text that was agreed to, or whose consent ends here. */
  readonly textVersion: string | null;
  readonly textSha256: string | null;
  readonly locale: string | null;
  readonly uiVariant: string | null;
  readonly channel: ConsentChannel;
  readonly terminalId: string | null;
  readonly storeId: string | null;
  readonly operatorRef: string | null;
  readonly occurredAt: Instant;
  readonly recordedAt: Instant;
  readonly clockQuality: ClockQuality;
  /** Where the proof is, e.g. `journal:{till}/{incarnation}/{seq}`. */
  readonly proofRef: string | null;
  /** SHA-256 of the proof. */
  readonly evidenceSha256: string | null;
  readonly controller: string;
  readonly recipients: readonly string[];
}

/** An event in its place in its person's chain. */
export interface ChainedConsentEvent extends ConsentEvent {
  readonly prevHash: string;
  readonly hash: string;
}

/** What the first event of a person continues. */
export function consentGenesis(subjectRef: string): string {
  return sha256(['stammkunde consent v1', subjectRef]);
}

/** SHA-256 over the JSON array of every field in the order of {@link ConsentEvent}, `prevHash` last; lower-case hex. */
export function consentHash(event: ConsentEvent, prevHash: string): string {
  return sha256([
    event.eventId,
    event.subjectRef,
    event.purposeCode,
    event.objectRef,
    event.decision,
    event.textVersion,
    event.textSha256,
    event.locale,
    event.uiVariant,
    event.channel,
    event.terminalId,
    event.storeId,
    event.operatorRef,
    event.occurredAt,
    event.recordedAt,
    event.clockQuality,
    event.proofRef,
    event.evidenceSha256,
    event.controller,
    [...event.recipients],
    prevHash,
  ]);
}

function sha256(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
