import { z } from 'zod';
import { APP_CODE_BYTES } from './app-code/app-code.ts';
import { BLIND_INDEX_PATTERN } from './blind-index.ts';
import { InstantMs } from './ids.ts';

/** Asks whether an app code, verified at the till already, is good everywhere: not revoked, not shown elsewhere. */
export const AppCodeConfirm = z.strictObject({
  kind: z.literal('app-code.confirm'),
  code: z
    .string()
    .regex(new RegExp(`^[0-9a-f]{${2 * APP_CODE_BYTES}}$`))
    .describe('The whole code in hex'),
});

/** Asks whether a rotating code's one-time password is right. The secret it is made of never leaves the server. */
export const RotatingCodeVerify = z.strictObject({
  kind: z.literal('rotating-code.verify'),
  index: z.string().regex(BLIND_INDEX_PATTERN).describe('Blind index of the number in the code'),
  at: InstantMs.describe('Start of the period, as the phone has it'),
  password: z.string().regex(/^[0-9]{6,8}$/),
});

/** What the server says of a code. Only `confirmed` raises trust. */
export const CodeVerdict = z
  .enum(['confirmed', 'replayed', 'refused', 'unknown'])
  .describe(
    'replayed: shown at another till or before · refused: wrong, late or revoked · unknown: no such code here',
  );
export type CodeVerdict = z.infer<typeof CodeVerdict>;

export const AppCodeAnswer = z.strictObject({ kind: z.literal('app-code.confirm'), verdict: CodeVerdict });
export const RotatingCodeAnswer = z.strictObject({
  kind: z.literal('rotating-code.verify'),
  verdict: CodeVerdict,
});
export type AppCodeConfirm = z.infer<typeof AppCodeConfirm>;
export type RotatingCodeVerify = z.infer<typeof RotatingCodeVerify>;
