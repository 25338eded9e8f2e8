import { sleep, SystemClock } from '../foundation/clock.ts';
import type { Clock } from '../foundation/clock.ts';
import { asError } from '../foundation/errors.ts';
import { readTokenFile } from '../foundation/secret-file.ts';
import { command, shopAddress } from './control-client.ts';
import type { ControlOrder, ShopAddress } from './control-contract.ts';
import { parseScanRequest, SCAN_USAGE, UsageError } from './scan-order.ts';
import { READERS } from './readers/counter.ts';
import { TillEvents } from './till-events.ts';
import { aligned, verdictLines } from './verdict-lines.ts';

/** How long the till may take to say something about a scan, ms; bytes that are no scan are never answered. */
const ANSWER_DEADLINE_MS = 3_000;
/** How long after the last step something may still be read, ms: a pause can be what ends a scan. */
const AFTER_REPLAY_MS = 500;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const say = (text: string): void => void process.stdout.write(`${text}\n`);
  const complain = (text: string): void => void process.stderr.write(`${text}\n`);
  if (args.length === 0 || args.includes('--help')) {
    say(SCAN_USAGE);
    return args.length === 0 ? 2 : 0;
  }
  try {
    const { order, data } = parseScanRequest(args);
    const address = shopAddress(data);
    const done = address === undefined ? undefined : await carryOut(order, address, new SystemClock());
    if (done === undefined) {
      complain(`No shop runs in ${data}: start one with npm start, in another terminal.`);
      return 1;
    }
    (done.ok ? say : complain)(done.text);
    return done.ok ? 0 : 1;
  } catch (error) {
    complain(asError(error).message);
    if (!(error instanceof UsageError)) return 1;
    complain('npm run scan -- --help tells what there is.');
    return 2;
  }
}

interface Done {
  readonly ok: boolean;
  readonly text: string;
}

/** Undefined when the shop is there no more. */
async function carryOut(order: ControlOrder, address: ShopAddress, clock: Clock): Promise<Done | undefined> {
  switch (order.order) {
    case 'send':
    case 'show':
    case 'app-code':
    case 'replay':
      return send(order, address, clock);
    case 'unplug':
    case 'network': {
      const answer = await command(address, order, clock);
      if (answer === undefined) return undefined;
      if (!answer.ok) return { ok: false, text: answer.message };
      const text =
        order.order === 'network'
          ? `The network between till and server is now ${order.state}.`
          : `The scanner was gone for ${order.seconds} s and is back; the till has reopened it by itself.`;
      return { ok: true, text };
    }
  }
}

async function send(
  order: Extract<ControlOrder, { order: 'send' | 'show' | 'app-code' | 'replay' }>,
  address: ShopAddress,
  clock: Clock,
): Promise<Done | undefined> {
  let events: TillEvents;
  try {
    events = await TillEvents.open(address.tillUrl, readTokenFile(address.tillTokenFile), clock);
  } catch {
    // The address was left behind by a shop that is gone, or its till is: the control port knows which.
    const answer = await command(address, order, clock);
    return answer === undefined
      ? undefined
      : { ok: false, text: 'The shop runs, but its till does not answer.' };
  }
  try {
    if (order.order === 'replay') return await replay(order, address, events, clock);
    const readerId = readerOf(order);
    // Both are asked for before the scan; a scan that is no card leaves the second unanswered, which is no fault.
    const scanned = events.next('scan', (scan) => scan.readerId === readerId, ANSWER_DEADLINE_MS);
    const identifications: Parameters<typeof verdictLines>[1][] = [];
    events.listen(({ payload }) => {
      if (payload.event === 'identified') identifications.push(payload);
    });
    const answer = await Promise.race([
      command(address, order, clock),
      scanned.then(() => ({ ok: true as const })),
    ]);
    if (answer === undefined || !answer.ok) {
      scanned.catch(() => {});
      return answer === undefined ? undefined : { ok: false, text: answer.message };
    }
    const scan = await scanned;
    if (scan.outcome.kind === 'credential' && !identifications.some((each) => each?.scanId === scan.scanId)) {
      await events.next('identified', (event) => event.scanId === scan.scanId, ANSWER_DEADLINE_MS);
    }
    const identified = identifications.find((each) => each?.scanId === scan.scanId);
    return { ok: true, text: aligned(verdictLines(scan, identified)) };
  } finally {
    await events.close();
  }
}

function readerOf(order: Extract<ControlOrder, { order: 'send' | 'show' | 'app-code' }>): string {
  switch (order.order) {
    case 'send':
      return READERS[order.reader];
    case 'show':
      return READERS[order.as];
    case 'app-code':
      return READERS.serial;
  }
}

/** Tells of every scan a trace gives; a trace may well give none. */
async function replay(
  order: ControlOrder,
  address: ShopAddress,
  events: TillEvents,
  clock: Clock,
): Promise<Done | undefined> {
  const lines: string[] = [];
  events.listen(({ payload }) => {
    if (payload.event === 'scan') lines.push(aligned(verdictLines(payload, undefined)));
  });
  const answer = await command(address, order, clock);
  if (answer === undefined) return undefined;
  if (!answer.ok) return { ok: false, text: answer.message };
  await sleep(clock, AFTER_REPLAY_MS);
  return { ok: true, text: lines.length === 0 ? 'The trace gave no scan.' : lines.join('\n') };
}
