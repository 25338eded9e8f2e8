import { sql } from 'kysely';
import type { DatabaseTransaction, Queries } from '../database/database.ts';
import { consentGenesis, consentHash } from './consent-event.ts';
import type { ChainedConsentEvent, ConsentEvent } from './consent-event.ts';

/** Number of the advisory lock of those who add consent events: a chain has one end. */
const CONSENT_LOCK = 7_366_002;

/**
 * Adds events, each at the end of its person's chain, in the order given. To be called after the lock on ownership of
 * cards, if that is needed too.
 */
export async function appendConsents(
  tx: DatabaseTransaction,
  events: readonly ConsentEvent[],
): Promise<readonly ChainedConsentEvent[]> {
  if (events.length === 0) return [];
  await sql`select pg_advisory_xact_lock(${CONSENT_LOCK}::bigint)`.execute(tx);
  const ends = await readChainEnds(tx, [...new Set(events.map(({ subjectRef }) => subjectRef))]);
  const chained = events.map((event): ChainedConsentEvent => {
    const prevHash = ends.get(event.subjectRef) ?? consentGenesis(event.subjectRef);
    const hash = consentHash(event, prevHash);
    ends.set(event.subjectRef, hash);
    return { ...event, prevHash, hash };
  });
  await tx
    .insertInto('consent_event')
    .values(
      chained.map((event) => ({
        event_id: event.eventId,
        subject_ref: event.subjectRef,
        purpose_code: event.purposeCode,
        object_ref: event.objectRef,
        decision: event.decision,
        text_version: event.textVersion,
        text_sha256: event.textSha256,
        locale: event.locale,
        ui_variant: event.uiVariant,
        channel: event.channel,
        terminal_id: event.terminalId,
        store_id: event.storeId,
        operator_ref: event.operatorRef,
        occurred_at: event.occurredAt,
        recorded_at: event.recordedAt,
        clock_quality: event.clockQuality,
        proof_ref: event.proofRef,
        evidence_sha256: event.evidenceSha256,
        controller: event.controller,
        recipients: [...event.recipients],
        prev_hash: event.prevHash,
        hash: event.hash,
      })),
    )
    .execute();
  return chained;
}

/** Every event of these people about a purpose, oldest recorded first. */
export async function readConsents(
  db: Queries,
  subjectRefs: readonly string[],
  purposeCode?: string,
): Promise<readonly ChainedConsentEvent[]> {
  if (subjectRefs.length === 0) return [];
  const rows = await db
    .selectFrom('consent_event')
    .selectAll()
    .where('subject_ref', 'in', [...new Set(subjectRefs)])
    .$if(purposeCode !== undefined, (query) => query.where('purpose_code', '=', purposeCode ?? ''))
    .orderBy('position')
    .execute();
  return rows.map((row) => ({
    eventId: row.event_id,
    subjectRef: row.subject_ref,
    purposeCode: row.purpose_code,
    objectRef: row.object_ref,
    decision: row.decision,
    textVersion: row.text_version,
    textSha256: row.text_sha256,
    locale: row.locale,
    uiVariant: row.ui_variant,
    channel: row.channel,
    terminalId: row.terminal_id,
    storeId: row.store_id,
    operatorRef: row.operator_ref,
    occurredAt: row.occurred_at,
    recordedAt: row.recorded_at,
    clockQuality: row.clock_quality,
    proofRef: row.proof_ref,
    evidenceSha256: row.evidence_sha256,
    controller: row.controller,
    recipients: row.recipients,
    prevHash: row.prev_hash,
    hash: row.hash,
  }));
}

/** The last grant about an object, or undefined; what a withdrawal takes back. */
export function lastGrant<E extends ConsentEvent>(
  events: readonly E[],
  objectRef: string | null,
): E | undefined {
  return events.findLast((event) => event.decision === 'granted' && event.objectRef === objectRef);
}

async function readChainEnds(
  tx: DatabaseTransaction,
  subjectRefs: readonly string[],
): Promise<Map<string, string>> {
  const { rows } = await sql<{ subject_ref: string; hash: string }>`
    select distinct on (subject_ref) subject_ref, hash from consent_event
    where subject_ref = any(${subjectRefs}::uuid[]) order by subject_ref, position desc`.execute(tx);
  return new Map(rows.map((row) => [row.subject_ref, row.hash]));
}
