/** The numbers of PostgreSQL's advisory locks, each with what it is for. All of them are of this database alone. */
export const ADVISORY_LOCKS = {
  /** Shared by who posts sales and moves cards, exclusive for who changes whose a card is. */
  ownership: 7_366_001,
  /** One at a time folds range hashes. */
  fold: 7_366_003,
  /** One at a time brings the schema up to date. */
  migration: 7_366_004,
  /** One at a time puts a programme in force. */
  programme: 7_366_005,
  /** With a class of ids as its second number: one at a time decides about a redemption, known or not. */
  redemption: 7_366_006,
} as const;
