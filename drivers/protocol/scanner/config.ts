import { z } from 'zod';
import { DeviceMatch } from '../../device-match.ts';
import { scannedSymbologies } from '../../symbology/symbology.ts';
import { WantedTrackConfig } from '../magstripe/config.ts';

const terminator = z.enum(['cr', 'lf', 'crlf', 'tab', 'eot']);

const limits = {
  limitBytes: z
    .int()
    .min(16)
    .max(65_536)
    .default(8192)
    .describe('Longest scan in bytes; anything longer is discarded up to the next terminator and counted'),
  unfinishedMs: z
    .int()
    .min(100)
    .max(60_000)
    .default(5000)
    .describe('A scan that was begun and stays unfinished this long, in ms, is discarded and counted'),
};

const lineFraming = z.strictObject({
  kind: z.literal('line').describe('Plain lines that end in one fixed terminator'),
  terminator: terminator.default('crlf').describe('What ends a line'),
  ...limits,
});

const delimitedFraming = z
  .strictObject({
    kind: z.literal('delimited').describe('Any of several terminators, STX…ETX, a prefix, or a pause'),
    terminators: z
      .array(terminator)
      .max(4)
      .default(['cr', 'lf'])
      .readonly()
      .describe('What ends a scan; cr also takes the lf after it. May be empty with stxEtx or idleGapMs'),
    stxEtx: z
      .boolean()
      .default(false)
      .describe('The scanner sends STX (02) before and ETX (03) after the data'),
    prefixHex: z
      .string()
      .regex(/^(?:[0-9a-f]{2}){1,16}$/i, 'expected 1 to 16 bytes in hexadecimal, such as 7e41')
      .optional()
      .describe('Bytes the scanner sends before each scan, in hexadecimal; stripped where they are found'),
    idleGapMs: z
      .int()
      .min(5)
      .max(5000)
      .optional()
      .describe('A pause this long, in ms, ends a scan; for scanners that send no terminator'),
    ...limits,
  })
  .refine((framing) => framing.terminators.length > 0 || framing.stxEtx || framing.idleGapMs !== undefined, {
    error: 'nothing ends a scan: give terminators, stxEtx or idleGapMs',
    path: ['terminators'],
  });

export const ScannerFraming = z.discriminatedUnion('kind', [lineFraming, delimitedFraming]);
export type ScannerFraming = z.output<typeof ScannerFraming>;

function isLatin1(characters: string): boolean {
  return Buffer.from(characters, 'latin1').toString('latin1') === characters;
}

const scanner = {
  id: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/, 'expected 1 to 32 of a–z, 0–9 and -')
    .describe('Name of this reader, unique on the till'),
  framing: ScannerFraming.prefault({ kind: 'delimited' }).describe('How the scanner marks where a scan ends'),
  aim: z
    .enum(['auto', 'none'])
    .default('auto')
    .describe('auto: an AIM identifier (]E0 …) is read and stripped where there is one; none: all is data'),
  symbology: z
    .enum(scannedSymbologies)
    .default('unknown')
    .describe(
      'What a scan without AIM identifier is taken for; magstripe: the tracks of a swipe, which ends when the line is quiet',
    ),
  track: WantedTrackConfig,
  gsSubstitute: z
    .string()
    .min(1)
    .max(8)
    .refine(isLatin1, 'expected characters of Latin-1, one for each byte the scanner sends')
    .optional()
    .describe(
      'What the scanner sends instead of the GS1 separator 1D, such as ^] or {GS}; put back in GS1 codes',
    ),
};

const serialScanner = z.strictObject({
  kind: z.literal('serial').describe('A barcode scanner on a serial port or USB virtual COM port'),
  ...scanner,
  path: z
    .string()
    .min(1)
    .max(255)
    .optional()
    .describe('Device path, best one that survives replugging: /dev/serial/by-id/…, COM3; or give device'),
  device: DeviceMatch.optional().describe(
    'Instead of path: which attached USB device it is, wherever it is plugged in (Linux)',
  ),
  baudRate: z
    .int()
    .min(300)
    .max(4_000_000)
    .default(9600)
    .describe('Bits per second; a USB virtual COM port ignores it'),
  dataBits: z.literal([5, 6, 7, 8]).default(8).describe('Data bits'),
  stopBits: z.literal([1, 2]).default(1).describe('Stop bits'),
  parity: z.enum(['none', 'even', 'odd']).default('none').describe('Parity'),
  rtscts: z.boolean().default(false).describe('Hardware flow control'),
});

export const SerialScannerConfig = serialScanner.refine(
  ({ path, device }) => (path === undefined) !== (device === undefined),
  { error: 'give either path or device, and not both', path: ['path'] },
);

export const TcpScannerConfig = z.strictObject({
  kind: z.literal('tcp').describe('A barcode scanner in the network that listens for the till'),
  ...scanner,
  host: z.string().min(1).max(253).describe('Name or address of the scanner'),
  port: z.int().min(1).max(65_535).describe('TCP port the scanner listens on'),
  connectTimeoutMs: z
    .int()
    .min(100)
    .max(60_000)
    .default(5000)
    .describe('Give one attempt to connect this long, in ms'),
});

export type SerialScannerConfig = z.output<typeof SerialScannerConfig>;
export type TcpScannerConfig = z.output<typeof TcpScannerConfig>;
export type ScannerConfig = SerialScannerConfig | TcpScannerConfig;
