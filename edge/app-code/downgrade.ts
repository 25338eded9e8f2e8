/**
 * Why something a phone showed is worth no more than a static code: the till's clock cannot be relied on · whether the
 * code was shown before is not known · the replica does not hold the phone's key · only the server could verify it ·
 * the server saw it before · the server does not take it.
 */
export const downgrades = [
  'clock',
  'not-remembered',
  'key-unknown',
  'not-verified',
  'used-elsewhere',
  'refused-by-server',
] as const;
export type Downgrade = (typeof downgrades)[number];
