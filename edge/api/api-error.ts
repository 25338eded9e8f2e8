import { z } from 'zod';
import type { ErrorCode } from '../../foundation/error-codes.ts';

/** The body of every answer that is not a success. */
export const ErrorBody = z.strictObject({
  error: z.strictObject({
    code: z.string().describe('Stable; branch on this, never on the message'),
    message: z.string(),
    problems: z
      .array(z.string())
      .optional()
      .describe('Everything that does not fit the schema, each with its path'),
  }),
});
export type ErrorBody = z.infer<typeof ErrorBody>;

export function errorBody(code: ErrorCode, message: string, problems?: readonly string[]): ErrorBody {
  return { error: { code, message, ...(problems === undefined ? {} : { problems: [...problems] }) } };
}

/** HTTP status (RFC 9110, 15) of the faults a caller can meet; any other is 500. */
const statuses: Partial<Readonly<Record<ErrorCode, number>>> = {
  API_UNAUTHORISED: 401,
  API_READ_ONLY: 403,
  API_FORBIDDEN_HOST: 403,
  API_FORBIDDEN_ORIGIN: 403,
  API_MEDIA_TYPE: 415,
  API_INVALID: 400,
  API_TOO_LARGE: 413,
  API_NOT_FOUND: 404,
  READER_NOT_FOUND: 404,
  CLAIM_HELD: 409,
  READER_NOT_READY: 409,
  CLAIM_CLIENT_GONE: 409,
  SALE_NOT_FOUND: 404,
  SALE_CLOSED: 409,
  SALE_CONFLICT: 409,
  SALE_LIMIT: 409,
  LINK_NOT_OPEN: 409,
  LINK_TEXT_OUTDATED: 409,
  REDEEM_CONFLICT: 409,
  RETURN_CONFLICT: 409,
  LATE_CONFLICT: 409,
  LATE_TAKEN: 409,
  LATE_CODE: 422,
  RETURN_LINE_UNKNOWN: 422,
  RETURN_TOO_MUCH: 422,
  BURN_OFF: 422,
  BURN_STEP: 422,
  BURN_TOO_FEW: 422,
  BURN_TOO_MUCH: 422,
  BURN_BALANCE: 422,
  REDEEM_TRUST: 422,
  REDEEM_OFFLINE: 422,
  REDEEM_LIMIT_CUSTOMER: 422,
  REDEEM_LIMIT_TILL: 422,
  SALE_TOTAL: 422,
  PAN_REJECTED: 422,
  APP_CODE_MALFORMED: 422,
  APP_CODE_VERSION: 422,
  APP_CODE_SIGNATURE: 422,
  APP_CODE_EXPIRED: 422,
  APP_CODE_FUTURE: 422,
  APP_CODE_REVOKED: 422,
  REPLAY: 422,
  SCANNER_LAYOUT: 422,
  REC_NOT_TEXT: 422,
  REC_TOO_LONG: 422,
  REC_CHECK_DIGIT: 422,
  REC_ALIAS: 422,
  MSR_UNREADABLE: 422,
  MSR_ENCRYPTED: 422,
  CARD_NUMBER_INVALID: 422,
  JRN_FULL: 503,
  DATA_DISK_FULL: 507,
  DATA_UNWRITABLE: 503,
};

export function statusOf(code: ErrorCode): number {
  return statuses[code] ?? 500;
}
