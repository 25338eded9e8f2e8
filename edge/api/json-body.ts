import { StammkundeError } from '../../foundation/errors.ts';

/**
 * A request body as JSON (RFC 8259: UTF-8, nothing else).
 * @returns undefined for an empty body, which routes without one are sent with
 * @throws StammkundeError API_INVALID; the message quotes nothing of the body
 */
export function parseBody(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return undefined;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new StammkundeError('API_INVALID', 'the body is not UTF-8', { cause: error });
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    // The parser's own message quotes the text, which may hold anything; only its kind is kept.
    throw new StammkundeError('API_INVALID', 'the body is not JSON', {
      cause: new Error(error instanceof Error ? error.name : 'unknown'),
    });
  }
}
