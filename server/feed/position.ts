import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';
import { StammkundeError } from '../../foundation/errors.ts';
import type { FeedPosition } from '../../sync/contract/feed.ts';
import type { FeedScope } from './scope.ts';

/** A place in the feed of this database's present epoch. */
export interface Place {
  /** Transaction id as a decimal string. */
  readonly xid: string;
  readonly seq: number;
}

/** Before everything. */
export const START: Place = { xid: '0', seq: 0 };

/** Below zero when `a` lies before `b`. */
export function comparePlaces(a: Place, b: Place): number {
  const [x, y] = [BigInt(a.xid), BigInt(b.xid)];
  return x === y ? a.seq - b.seq : x < y ? -1 : 1;
}

export function laterOf(a: Place, b: Place): Place {
  return comparePlaces(a, b) < 0 ? b : a;
}

/** Rows after a place. */
export function isAfter(alias: string, place: Place): RawBuilder<unknown> {
  const [xid, seq] = [sql.ref(`${alias}.xid`), sql.ref(`${alias}.seq`)];
  return sql`(${xid}, ${seq}) > (${place.xid}::xid8, ${place.seq}::bigint)`;
}

/**
 * Rows no transaction still running can come before: `pg_snapshot_xmin` is the oldest of them, so whatever is committed
 * below it is complete.
 */
export function isComplete(alias: string): RawBuilder<unknown> {
  return sql`${sql.ref(`${alias}.xid`)} < pg_snapshot_xmin(pg_current_snapshot())`;
}

/** From where on a till has to be told what is gone: nothing is held from before it began to pull. */
export function tombstonesFrom(position: FeedPosition): Place {
  return position.floor === undefined ? position : laterOf(position, position.floor);
}

/** A position tills can be given. */
export function positionAt(
  epoch: string,
  scope: FeedScope,
  { xid, seq }: Place,
  floor?: Place,
): FeedPosition {
  return {
    epoch,
    xid,
    seq,
    ...(scope.name === undefined ? {} : { scope: scope.name }),
    ...(floor === undefined || comparePlaces(floor, { xid, seq }) <= 0
      ? {}
      : { floor: { xid: floor.xid, seq: floor.seq } }),
  };
}

/**
 * @throws StammkundeError REP_EPOCH_CHANGED for a position in another history · REP_SNAPSHOT_REQUIRED for one that was
 *   read in another scope: what the till holds and should not would never be told
 */
export function assertPositionFits(position: FeedPosition, epoch: string, scope: FeedScope): void {
  if (position.epoch !== epoch) {
    throw new StammkundeError('REP_EPOCH_CHANGED', 'the position belongs to another history');
  }
  if (position.scope !== scope.name) {
    throw new StammkundeError('REP_SNAPSHOT_REQUIRED', 'the position was read in another scope');
  }
}
