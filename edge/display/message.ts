import type { EventMessage } from '../api/events.ts';

const known: Readonly<Record<EventMessage['payload']['event'], true>> = {
  hello: true,
  scan: true,
  identified: true,
  'looked-up': true,
  heartbeat: true,
  trust: true,
  sale: true,
  reader: true,
  sync: true,
  linking: true,
};

/**
 * A frame of `/v1/events` as a message, or null for what is none. The envelope is checked, the payload is believed:
 * the daemon that serves this page has validated it, and its schema needs Node.
 * An event of a newer daemon than this page is null as well.
 */
export function parseMessage(frame: unknown): EventMessage | null {
  if (typeof frame !== 'string') return null;
  let value: unknown;
  try {
    value = JSON.parse(frame);
  } catch {
    return null;
  }
  if (!isRecord(value) || !isRecord(value['payload'])) return null;
  if (!Number.isSafeInteger(value['n']) || !Number.isSafeInteger(value['at'])) return null;
  const event = value['payload']['event'];
  if (typeof event !== 'string' || !Object.hasOwn(known, event)) return null;
  // The envelope was checked above; the payload is the daemon's word, as the docstring says.
  return value as unknown as EventMessage;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
