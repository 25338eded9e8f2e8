import { connect } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../foundation/clock.ts';
import { readSecretText } from '../foundation/secret-file.ts';
import { ADDRESS_FILE, ControlAnswer, ShopAddress } from './control-contract.ts';
import type { ControlOrder } from './control-contract.ts';

/** Longest wait for an answer, ms, beyond what the order itself takes. */
const ANSWER_DEADLINE_MS = 10_000;
/** Time for the till to reopen a scanner that came back, ms. */
const REOPEN_MS = 40_000;

/** Where the shop of a data folder says it is, or undefined when no shop has left word there. */
export function shopAddress(folder: string): ShopAddress | undefined {
  try {
    return ShopAddress.parse(JSON.parse(readSecretText(join(folder, ADDRESS_FILE), 'owner')));
  } catch {
    // Missing, half-written or from another version: in each case there is no shop one could talk to.
    return undefined;
  }
}

/** True when the shop of a data folder runs now, and did not just leave its address behind. */
export async function shopRuns(folder: string, clock: Clock): Promise<boolean> {
  const address = shopAddress(folder);
  if (address === undefined) return false;
  return (await exchange(address.controlPort, 'no order at all', ANSWER_DEADLINE_MS, clock)) !== undefined;
}

/** Has a running shop do something, and waits until it is done. `undefined`: there is nobody there. */
export async function command(
  address: ShopAddress,
  order: ControlOrder,
  clock: Clock,
): Promise<ControlAnswer | undefined> {
  const takesMs = durationMs(order);
  const message = JSON.stringify({ token: address.controlToken, order });
  const line = await exchange(address.controlPort, message, takesMs + ANSWER_DEADLINE_MS, clock);
  return line === undefined ? undefined : ControlAnswer.parse(JSON.parse(line));
}

/** How long an order takes at most, ms, beyond the asking. */
function durationMs(order: ControlOrder): number {
  switch (order.order) {
    case 'unplug':
      return order.seconds * 1_000 + REOPEN_MS;
    case 'replay':
      return order.steps.reduce((sum, { afterMs }) => sum + afterMs, 0);
    case 'send':
    case 'show':
    case 'app-code':
    case 'network':
      return 0;
  }
}

/** One line there, one line back; undefined when nobody answers. */
function exchange(port: number, line: string, deadlineMs: number, clock: Clock): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    const cancel = clock.schedule(deadlineMs, () => socket.destroy());
    socket.setEncoding('utf8');
    // Refused or reset: the closing that follows says all there is to say.
    socket.on('error', () => {});
    socket.on('data', (chunk: string) => (answer += chunk));
    socket.on('connect', () => socket.write(`${line}\n`));
    socket.on('close', () => {
      cancel();
      resolve(answer.endsWith('\n') ? answer.trimEnd() : undefined);
    });
  });
}
