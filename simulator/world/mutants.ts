/**
 * What would go wrong if a promise of the design were broken. Each is a way in which a world is built, none is in the
 * programs themselves.
 */
export const mutants = {
  'ack-before-commit': 'the server acknowledges a batch when it comes in, not when it is committed',
  'naive-cursor': 'the feed is read by position alone, not below the oldest transaction still running',
  'dropped-unique-key':
    'journal and ledger have no keys, and two servers that read at the same time see nothing of each other',
  'send-and-forget': 'a till sends each sale once and forgets it, as a replication push does after an error',
  'missing-fsync': 'a till answers for a sale that has not reached its disk',
  'trusting-puback': "a till takes the broker's acknowledgement for the server's receipt",
} as const;

export type Mutant = keyof typeof mutants;

export function isMutant(name: string): name is Mutant {
  return Object.hasOwn(mutants, name);
}
