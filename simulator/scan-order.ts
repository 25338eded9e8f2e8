import { parseArgs } from 'node:util';
import { asError } from '../foundation/errors.ts';
import { likelyScannerPrefix } from './card-numbers.ts';
import type { ControlOrder } from './control-contract.ts';
import { scannerFrame } from './readers/virtual-scanner.ts';

export const SCAN_USAGE = `Shows something to the scanner of the shop that runs (npm start).

  npm run scan -- --card NUMBER       a customer's card, code or token
  npm run scan -- --product CODE      an article's bar code
  npm run scan -- --raw HEX           any bytes, exactly as given
  npm run scan -- --unplug SECONDS    pulls the scanner's plug and puts it back
  npm run scan -- --network down      cuts the network between till and server; up, black-hole

  --reader serial|tcp                 which scanner (default: serial)
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
  if (values.card !== undefined) orders.push(sendText('--card', values.card, reader));
  if (values.product !== undefined) orders.push(sendText('--product', values.product, reader));
  if (values.raw !== undefined) {
    if (!/^(?:[0-9a-f]{2}){1,65536}$/i.test(values.raw)) {
      throw new UsageError('--raw takes bytes in hexadecimal, such as 5d45302e0d');
    }
    orders.push({ order: 'send', reader, hex: values.raw });
  }
  if (values.unplug !== undefined) {
    const seconds = Number(values.unplug);
    if (!(seconds >= 0 && seconds <= 3_600)) throw new UsageError('--unplug takes 0 to 3600 seconds');
    orders.push({ order: 'unplug', reader, seconds });
  }
  if (values.network !== undefined) orders.push({ order: 'network', state: networkState(values.network) });
  const [order, ...others] = orders;
  if (order === undefined || others.length > 0) {
    throw new UsageError('give one of --card, --product, --raw, --unplug, --network');
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
  if (!/^[\x20-\x7e]{1,512}$/.test(text)) {
    throw new UsageError(
      `${option} takes 1 to 512 printable ASCII characters; for anything else there is --raw`,
    );
  }
  const frame = scannerFrame(likelyScannerPrefix(text), text);
  return { order: 'send', reader, hex: Buffer.from(frame).toString('hex') };
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
