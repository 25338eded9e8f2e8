/** Layout of the tables; a journal is converted, never thrown away, so each later layout gets a migration. */
export const LAYOUT = 1;

/** 'StJo', in the header of the file (https://sqlite.org/fileformat2.html, 1.3.14). */
export const APPLICATION_ID = 0x53744a6f;

/**
 * The tables (`sale_id` of an entry is the id of the sale or of the link it is about), and the triggers that make "append-only" a property of the file rather than of the program:
 * an entry continues the chain or is refused, is never changed, and goes only when it is behind the anchor, which
 * itself never moves past what the server has confirmed.
 */
export const SCHEMA = `
CREATE TABLE chain(
  one INTEGER PRIMARY KEY CHECK(one = 1),
  till TEXT NOT NULL,
  incarnation TEXT NOT NULL,
  anchor_seq INTEGER NOT NULL CHECK(anchor_seq >= 0),
  anchor_hash TEXT NOT NULL,
  confirmed_seq INTEGER NOT NULL CHECK(confirmed_seq >= anchor_seq),
  session INTEGER NOT NULL,
  command_version INTEGER NOT NULL,
  urgent_version INTEGER NOT NULL
) STRICT;
CREATE TABLE entry(
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  at INTEGER NOT NULL,
  prev_hash TEXT NOT NULL,
  body TEXT NOT NULL,
  hash TEXT NOT NULL,
  sale_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  UNIQUE(sale_id, kind)
) STRICT;
CREATE TABLE confirmation(
  seq INTEGER PRIMARY KEY,
  server_time INTEGER NOT NULL
) STRICT;
CREATE TABLE open_sale(
  sale_id TEXT PRIMARY KEY,
  opened_no INTEGER NOT NULL UNIQUE,
  body TEXT NOT NULL
) STRICT;
CREATE TABLE closed_sale(
  sale_id TEXT PRIMARY KEY,
  last_seq INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX closed_sale_by_seq ON closed_sale(last_seq);

CREATE TRIGGER entry_continues_the_chain BEFORE INSERT ON entry
WHEN NEW.seq IS NOT 1 + coalesce((SELECT max(seq) FROM entry), (SELECT anchor_seq FROM chain))
  OR NEW.prev_hash IS NOT coalesce(
    (SELECT hash FROM entry ORDER BY seq DESC LIMIT 1), (SELECT anchor_hash FROM chain))
BEGIN SELECT RAISE(ABORT, 'an entry must continue the chain'); END;

CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER entry_is_kept BEFORE DELETE ON entry
WHEN OLD.seq > (SELECT anchor_seq FROM chain)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER chain_is_kept BEFORE DELETE ON chain
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER chain_moves_forward BEFORE UPDATE ON chain
WHEN NEW.till IS NOT OLD.till OR NEW.incarnation IS NOT OLD.incarnation
  OR NEW.anchor_seq < OLD.anchor_seq OR NEW.confirmed_seq < OLD.confirmed_seq
  OR NEW.session < OLD.session OR NEW.command_version < OLD.command_version
  OR NEW.urgent_version < OLD.urgent_version
BEGIN SELECT RAISE(ABORT, 'a journal keeps its owner and its counters only grow'); END;
`;

/** What later versions look up by. Older programs keep it without knowing, so it is no other layout. */
export const INDEXES = `
CREATE INDEX IF NOT EXISTS entry_of_link ON entry(seq)
WHERE kind IN ('credential.linked', 'credential.unlinked');
CREATE INDEX IF NOT EXISTS entry_of_return ON entry(json_extract(body, '$.saleId'))
WHERE kind = 'sale.returned';
CREATE INDEX IF NOT EXISTS entry_of_redemption ON entry(json_extract(body, '$.redeemed.redemptionId'))
WHERE kind = 'sale.completed' AND json_extract(body, '$.redeemed.redemptionId') IS NOT NULL;
`;
