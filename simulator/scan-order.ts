import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { asError } from '../foundation/errors.ts';
import { appCodeForms } from '../sync/contract/app-code/forms.ts';
import { likelyScannerPrefix } from './card-numbers.ts';
import { TraceStep, TRACE_STEPS_MAX } from './control-contract.ts';
import type { ControlOrder } from './control-contract.ts';
import { showings } from './readers/counter.ts';
import { scannerFrame } from './readers/virtual-scanner.ts';

export const SCAN_USAGE = `Shows something to the scanner of the shop that runs (npm start).

  npm run scan -- --card NUMBER       a customer's card, code or token
  npm run scan -- --product CODE      an article's bar code
  npm run scan -- --raw HEX           any bytes, exactly as given
  npm run scan -- --as msr --card N   by another reader: hid-pos, ibm, wedge-de, wedge-us, wedge-fr, serial-stx, msr, tcp, serial
  npm run scan -- --as zvt            a bank card at the payment terminal (--card PAR for another)
  npm run scan -- --as app-code       a fresh code on a customer's phone (--form digits|base45|url, --phone N)
  npm run scan -- --replay FILE       what was recorded: a line of JSON for each step, {"afterMs":0,"as":"serial","hex":"…"}
  npm run scan -- --unplug SECONDS    pulls the scanner's plug and puts it back
  npm run scan -- --network down      cuts the network between till and server; up, black-hole

  --reader serial|tcp                 which scanner sends or is unplugged (default: serial)
  --data FOLDER                       the shop's data folder (default: .stammkunde/shop)
`;

/** What a person asked for: the order, and whether the till will have something to say about it. */
export interface ScanRequest {
  readonly order: ControlOrder;
  readonly data: string;
}

/** The arguments are not what they should be; its message says in one sentence why. */
export class UsageError extends Error {}

/** @throws UsageError */
export function parseScanRequest(args: readonly string[]): ScanRequest {
  const { values } = parse(args);
  const reader = values.reader;
  if (reader !== 'serial' && reader !== 'tcp') throw new UsageError('--reader is serial or tcp');
  const orders: ControlOrder[] = [];
  if (values.as !== undefined) return { order: showOrder(values.as, values), data: values.data };
  if (values.card !== undefined) orders.push(sendText('--card', values.card, reader));
  if (values.product !== undefined) orders.push(sendText('--product', values.product, reader));
  if (values.raw !== undefined) {
    if (!/^(?:[0-9a-f]{2}){1,65536}$/i.test(values.raw)) {
      throw new UsageError('--raw takes bytes in hexadecimal, such as 5d45302e0d');
    }
    orders.push({ order: 'send', reader, hex: values.raw });
  }
  if (values.replay !== undefined) orders.push({ order: 'replay', steps: traceIn(values.replay) });
  if (values.unplug !== undefined) {
    const seconds = Number(values.unplug);
    if (!(seconds >= 0 && seconds <= 3_600)) throw new UsageError('--unplug takes 0 to 3600 seconds');
    orders.push({ order: 'unplug', reader, seconds });
  }
  if (values.network !== undefined) orders.push({ order: 'network', state: networkState(values.network) });
  const [order, ...others] = orders;
  if (order === undefined || others.length > 0) {
    throw new UsageError('give one of --card, --product, --raw, --as, --replay, --unplug, --network');
  }
  return { order, data: values.data };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        card: { type: 'string' },
        product: { type: 'string' },
        raw: { type: 'string' },
        as: { type: 'string' },
        form: { type: 'string' },
        phone: { type: 'string' },
        replay: { type: 'string' },
        unplug: { type: 'string' },
        network: { type: 'string' },
        reader: { type: 'string', default: 'serial' },
        data: { type: 'string', default: '.stammkunde/shop' },
      },
    });
  } catch (error) {
    // The first line says what is wrong; those after it explain the library's rules.
    throw new UsageError(asError(error).message.split('\n')[0], { cause: error });
  }
}

function sendText(option: string, text: string, reader: 'serial' | 'tcp'): ControlOrder {
  checkText(option, text);
  const frame = scannerFrame(likelyScannerPrefix(text), text);
  return { order: 'send', reader, hex: Buffer.from(frame).toString('hex') };
}

/** A bank card for those who give none; no issuer has this reference. */
export const DEMO_PAR = 'Q1HJZ28RKA1EBL470G9XYG90R5D3E';

function showOrder(
  as: string,
  values: {
    readonly card?: string | undefined;
    readonly product?: string | undefined;
    readonly form?: string | undefined;
    readonly phone?: string | undefined;
  },
): ControlOrder {
  if (as === 'app-code') {
    const form = appCodeForms.find((each) => each === (values.form ?? 'digits'));
    if (form === undefined) throw new UsageError(`--form is one of ${appCodeForms.join(', ')}`);
    const phone = Number(values.phone ?? 0);
    if (!Number.isInteger(phone) || phone < 0 || phone > 10_000) {
      throw new UsageError('--phone takes the number of a phone, from 0');
    }
    return { order: 'app-code', form, phone };
  }
  const showing = showings.find((each) => each === as);
  if (showing === undefined) throw new UsageError(`--as is one of ${[...showings, 'app-code'].join(', ')}`);
  const text = values.card ?? values.product ?? (showing === 'zvt' ? DEMO_PAR : undefined);
  if (text === undefined || (values.card !== undefined && values.product !== undefined)) {
    throw new UsageError('--as needs one of --card and --product');
  }
  checkText(values.card === undefined ? '--product' : '--card', text);
  return { order: 'show', as: showing, ...scannerView(text) };
}

/** What a scanner says of a code: the AIM identifier, and the data, which for GS1 begins with its identifier. */
export function scannerView(text: string): { readonly aim: string; readonly text: string } {
  const prefix = likelyScannerPrefix(text);
  return { aim: prefix.slice(0, 3), text: prefix.slice(3) + text };
}

/** @throws UsageError */
function traceIn(path: string): TraceStep[] {
  let lines: readonly string[];
  try {
    lines = readFileSync(path, 'utf8').split('\n');
  } catch (error) {
    throw new UsageError(`${path} cannot be read`, { cause: error });
  }
  const steps = lines.flatMap((line, index) =>
    line.trim() === '' || line.startsWith('#') ? [] : [stepIn(line, index + 1)],
  );
  if (steps.length === 0 || steps.length > TRACE_STEPS_MAX) {
    throw new UsageError(`a trace has 1 to ${TRACE_STEPS_MAX} steps, ${path} has ${steps.length}`);
  }
  return steps;
}

function stepIn(line: string, number: number): TraceStep {
  try {
    return TraceStep.parse(JSON.parse(line));
  } catch (error) {
    throw new UsageError(`line ${number} is no step of a trace`, { cause: error });
  }
}

function checkText(option: string, text: string): void {
  if (!/^[\x20-\x7e]{1,512}$/.test(text)) {
    throw new UsageError(
      `${option} takes 1 to 512 printable ASCII characters; for anything else there is --raw`,
    );
  }
}

function networkState(text: string): 'up' | 'cut' | 'black-hole' {
  switch (text) {
    case 'up':
      return 'up';
    case 'down':
    case 'cut':
      return 'cut';
    case 'black-hole':
      return 'black-hole';
    default:
      throw new UsageError('--network takes down, up or black-hole');
  }
}
