import type { IdentifierKind, TrustLevel } from './credential.ts';

/** What may be done for whoever presented a credential. `earn-limited` and `redeem-limited` are the same up to a limit of the programme. */
export const trustActions = ['earn-limited', 'earn', 'redeem-limited', 'redeem'] as const;
export type TrustAction = (typeof trustActions)[number];

/** Whether the till has the server at this moment. */
export type Reach = 'online' | 'offline';

type Row = Readonly<Record<TrustAction, boolean>>;

const none: Row = { 'earn-limited': false, earn: false, 'redeem-limited': false, redeem: false };
const earnOnly: Row = { ...none, 'earn-limited': true, earn: true };
const limited: Row = { ...earnOnly, 'redeem-limited': true };
const everything: Row = { ...limited, redeem: true };

/**
 * The policy: level × reach × action. What anybody can copy from a card or a screen earns and no more where nobody can
 * be asked; taking points away needs a phone that signs, or the server.
 */
export const trustPolicy: Readonly<Record<TrustLevel, Readonly<Record<Reach, Row>>>> = {
  L0: { online: earnOnly, offline: earnOnly },
  L1: { online: limited, offline: earnOnly },
  L2: { online: everything, offline: earnOnly },
  L3: { online: limited, offline: limited },
  L4: { online: everything, offline: limited },
};

/**
 * What a kind of credential may be good for at all, at any level. A bank card's alias is shared by all who hold a card
 * of the account, and an issuer can change it: it identifies and earns, it never redeems.
 */
const kindPolicy: Readonly<Record<IdentifierKind, Row>> = {
  card: everything,
  gsrn: everything,
  app: everything,
  bankcard: earnOnly,
};

/**
 * What may be done, weakest first.
 * @param verdict of the identification: nothing for what is blocked or expired; a card that is unknown, or
 *   that nobody could be asked about, earns, for the server settles it; so does one that is `unproven`: known to a till
 *   that never held all the server has, or holds an older copy of it, and may have missed that it was blocked
 */
export function mayDo(presented: {
  readonly kind: IdentifierKind;
  readonly trust: TrustLevel;
  readonly reach: Reach;
  readonly verdict: 'known' | 'unproven' | 'unknown' | 'unreached' | 'blocked' | 'expired';
}): readonly TrustAction[] {
  const { kind, trust, reach, verdict } = presented;
  const byVerdict = {
    known: everything,
    unproven: earnOnly,
    unknown: earnOnly,
    unreached: earnOnly,
    blocked: none,
    expired: none,
  }[verdict];
  return trustActions.filter(
    (action) => trustPolicy[trust][reach][action] && kindPolicy[kind][action] && byVerdict[action],
  );
}
