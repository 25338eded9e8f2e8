import { SystemClock } from '../../foundation/clock.ts';
import { BrowserRandom } from './browser-random.ts';
import type { ConnectionPorts } from './connection.ts';

/** Longest wait for the daemon's plain answer, ms. */
const PROBE_WITHIN_MS = 2_000;

/** The token the till's start message put behind the page's address, or null. It never leaves by HTTP. */
export function tokenOf(hash: string): string | null {
  return new URLSearchParams(hash.replace(/^#/, '')).get('token');
}

/**
 * The browser's WebSocket and clock, for a connection to the host that served this page. The token travels as a
 * subprotocol, because a browser can set no header on a WebSocket.
 */
export function browserPorts(location: Location, token: string): ConnectionPorts {
  const address = new URL('/v1/events', location.href);
  address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  return {
    clock: new SystemClock(),
    random: new BrowserRandom(),
    openSocket: (events) => {
      const socket = openWebSocket(address, token);
      if (socket === null) {
        queueMicrotask(() => events.ended());
        return { close: () => {} };
      }
      socket.addEventListener('message', (event: MessageEvent<unknown>) => events.frame(event.data));
      socket.addEventListener('close', () => events.ended());
      return socket;
    },
    daemonAnswers: async () => {
      try {
        const answer = await fetch(new URL('./', location.href), {
          method: 'HEAD',
          cache: 'no-store',
          signal: AbortSignal.timeout(PROBE_WITHIN_MS),
        });
        return answer.ok;
      } catch {
        return false;
      }
    },
  };
}

/** null when the token cannot be a subprotocol (RFC 6455, 4.1): the constructor throws for such. */
function openWebSocket(address: URL, token: string): WebSocket | null {
  try {
    return new WebSocket(address, ['stammkunde.v1', `stammkunde.token.${token}`]);
  } catch {
    return null;
  }
}
