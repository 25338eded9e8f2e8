import type { Instant } from '../../../foundation/clock.ts';
import type { AppCode } from './app-code.ts';

export interface AppCodeRules {
  /** Longest a code is taken for, whatever it asks for, ms. */
  readonly windowMs: number;
  /** How far the clocks of phone and till may be apart, ms. */
  readonly skewMs: number;
}

export const defaultAppCodeRules: AppCodeRules = { windowMs: 60_000, skewMs: 30_000 };

/** How long after its making a code is taken, ms. */
export function lastsMs(code: AppCode, { windowMs, skewMs }: AppCodeRules): number {
  return Math.min(code.windowSeconds * 1_000, windowMs) + skewMs;
}

/** Why a code is not fresh, or undefined. Both ends belong to it: a code exactly as old as it may be is taken. */
export function ageFault(
  code: AppCode,
  now: Instant,
  rules: AppCodeRules,
): 'APP_CODE_EXPIRED' | 'APP_CODE_FUTURE' | undefined {
  const ageMs = now - code.issuedAt;
  if (ageMs > lastsMs(code, rules)) return 'APP_CODE_EXPIRED';
  return ageMs < -rules.skewMs ? 'APP_CODE_FUTURE' : undefined;
}
