import type { Clock } from '../foundation/clock.ts';
import { StammkundeError, asError, isFault } from '../foundation/errors.ts';

/** How a download is made: `fetch` of the Fetch standard, as Node.js has it. */
export type Fetch = typeof fetch;

/** Nothing came for so long: the connection is given up. */
const STALLED_MS = 15_000;
/** One download takes no longer; what came is kept, and the rest is asked for anew. */
const DEADLINE_MS = 300_000;

export interface DownloadInto {
  readonly chunk: { readonly sha256: string; readonly bytes: number };
  /** Bytes that are there already. */
  readonly received: number;
  /** Takes a piece at its offset. */
  readonly take: (offset: number, piece: Uint8Array) => void;
  readonly fetch: Fetch;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Downloads what is missing of a chunk with a range request (RFC 9110, 14), and resolves when all of it was taken. No
 * redirect is followed: the ticket is for this server. Lengths are compared before and while the body is read, so no
 * more than the chunk's size is ever taken.
 * @throws StammkundeError REP_CHUNK_GONE (404) · API_UNAUTHORISED (401, 403) · BUS_UNREACHABLE · BUS_TIMEOUT · WIRE_MALFORMED
 */
export async function downloadRest(
  { url, ticket }: { readonly url: string; readonly ticket: string },
  { chunk, received, take, fetch, clock, signal }: DownloadInto,
): Promise<void> {
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const stalled = (): void =>
    stop.abort(new StammkundeError('BUS_TIMEOUT', `a download brought nothing for ${STALLED_MS} ms`));
  let cancel = clock.schedule(STALLED_MS, stalled);
  const cancelDeadline = clock.schedule(DEADLINE_MS, () =>
    stop.abort(new StammkundeError('BUS_TIMEOUT', `a download took longer than ${DEADLINE_MS} ms`)),
  );
  try {
    const response = await fetch(url, {
      headers: {
        authorization: `Bearer ${ticket}`,
        // A proxy that compressed once more would change the lengths.
        'accept-encoding': 'identity',
        ...(received === 0 ? {} : { range: `bytes=${received}-`, 'if-range': `"${chunk.sha256}"` }),
      },
      redirect: 'error',
      signal: stop.signal,
    });
    let offset = startOf(response, chunk, received);
    if (response.body === null) throw malformed(chunk, 'has no body');
    // Whatever the stream is typed as, a body is read in pieces of bytes (Fetch standard, 6.4).
    for await (const piece of response.body as AsyncIterable<Uint8Array>) {
      cancel();
      if (offset + piece.length > chunk.bytes) throw malformed(chunk, 'is longer than it says');
      take(offset, piece);
      offset += piece.length;
      cancel = clock.schedule(STALLED_MS, stalled);
    }
    if (offset < chunk.bytes) throw new StammkundeError('BUS_UNREACHABLE', 'a download broke off');
  } catch (error) {
    // What is left of the body is not wanted.
    stop.abort();
    const cause = stop.signal.reason instanceof StammkundeError ? stop.signal.reason : error;
    if (isFault(cause)) throw cause;
    throw new StammkundeError('BUS_UNREACHABLE', 'a download failed', { cause: asError(cause) });
  } finally {
    cancel();
    cancelDeadline();
    signal.removeEventListener('abort', onAbort);
  }
}

/** The offset at which the body of a response begins. */
function startOf(
  response: Response,
  chunk: { readonly sha256: string; readonly bytes: number },
  received: number,
): number {
  const { status, headers } = response;
  if (status === 404 || status === 410) {
    throw new StammkundeError('REP_CHUNK_GONE', `chunk ${chunk.sha256} is no longer kept`);
  }
  if (status === 401 || status === 403) {
    throw new StammkundeError('API_UNAUTHORISED', 'the ticket for downloads is not taken');
  }
  if (status !== 200 && status !== 206) {
    throw new StammkundeError('BUS_UNREACHABLE', `a download was answered with ${status}`);
  }
  // A server may answer a range with the whole.
  const start = status === 206 ? received : 0;
  if (status === 206 && headers.get('content-range') !== `bytes ${start}-${chunk.bytes - 1}/${chunk.bytes}`) {
    throw malformed(chunk, 'is another range than was asked for');
  }
  const length = headers.get('content-length');
  if (length !== null && Number(length) !== chunk.bytes - start) throw malformed(chunk, 'has another length');
  return start;
}

function malformed(chunk: { readonly sha256: string }, what: string): StammkundeError {
  return new StammkundeError('WIRE_MALFORMED', `the download of chunk ${chunk.sha256} ${what}`);
}
