import { sql } from 'kysely';
import type { RawBuilder } from 'kysely';

/**
 * What of the customer base a till holds. Every customer and card lies in one part of it (`feed_part`), and a scope is a
 * set of parts.
 */
export interface FeedScope {
  /** null: all there are. */
  readonly parts: readonly string[] | null;
  /** Positions say which scope they were read in, by this name; undefined for {@link EVERYTHING}. */
  readonly name: string | undefined;
}

/** The scope of a till that holds the whole customer base. */
export const EVERYTHING: FeedScope = { parts: null, name: undefined };

/** A condition that holds for rows of the scope. `part` is the column with a row's part. */
export function inScope(scope: FeedScope, part: RawBuilder<unknown>): RawBuilder<unknown> {
  return scope.parts === null ? sql`true` : sql`${part} = any(${[...scope.parts]}::text[])`;
}
