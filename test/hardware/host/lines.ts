import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { existsSync } from 'node:fs';
import { SystemClock, sleep } from '../../../foundation/clock.ts';

const clock = new SystemClock();
const LOOK_EVERY_MS = 50;
const DEADLINE_MS = 10_000;

/** Connects to a socket that a program just started makes. */
export async function connectTo(path: string): Promise<Socket> {
  const untilMs = clock.monotonicMs() + DEADLINE_MS;
  while (!existsSync(path)) {
    if (clock.monotonicMs() > untilMs) throw new Error(`${path} did not appear within ${DEADLINE_MS} ms`);
    await sleep(clock, LOOK_EVERY_MS);
  }
  const socket = connect(path);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => {}); // it ends with the machine
  return socket;
}

/** Calls back for each whole line. */
export function eachLine(socket: Socket, onLine: (line: string) => void): void {
  let begun = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    const lines = (begun + text).split('\n');
    begun = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') onLine(line);
  });
}
