import { z } from 'zod';
import { HidSource } from '../../transport/hid-source.ts';
import { layoutNames } from '../../keyboard/layout.ts';
import { scannedSymbologies } from '../../symbology/symbology.ts';

const functionKeys = ['f1', 'f2', 'f3', 'f4', 'f5', 'f6', 'f7', 'f8', 'f9', 'f10', 'f11', 'f12'] as const;
export type FunctionKey = (typeof functionKeys)[number];

/** HID usage of a function key: F1 is 3A (HID Usage Tables 1.5, section 10). */
export function usageOfFunctionKey(key: FunctionKey): number {
  return 0x3a + functionKeys.indexOf(key);
}

const typedText = z.string().min(1).max(16);

export const KeyboardWedgeConfig = z
  .strictObject({
    kind: z.literal('keyboard-wedge').describe('A USB scanner that types like a keyboard'),
    id: z
      .string()
      .regex(/^[a-z0-9-]{1,32}$/, 'expected 1 to 32 of a–z, 0–9 and -')
      .describe('Name of this reader, unique on the till'),
    device: HidSource.describe('Which attached device it is'),
    layout: z
      .enum(layoutNames)
      .default('us')
      .describe('Keyboard layout the scanner is set to type; that of the till plays no part'),
    exclusive: z
      .boolean()
      .default(false)
      .describe(
        'Takes the device away from the operating system, so that nothing is typed into other windows (Linux, over libusb)',
      ),
    terminators: z
      .array(z.enum(['enter', 'tab']))
      .max(2)
      .default(['enter', 'tab'])
      .readonly()
      .describe('Keys that end a scan. May be empty with idleGapMs'),
    idleGapMs: z
      .int()
      .min(20)
      .max(5000)
      .optional()
      .describe('A pause this long, in ms, ends a scan; for scanners that type no terminator'),
    unfinishedMs: z
      .int()
      .min(100)
      .max(60_000)
      .default(2000)
      .describe('A scan that was begun and stays unfinished this long, in ms, is discarded and counted'),
    limitCharacters: z
      .int()
      .min(16)
      .max(65_536)
      .default(8192)
      .describe('Longest scan; anything longer is discarded up to the next terminator and counted'),
    prefix: typedText.optional().describe('Characters typed before each scan; stripped where they are found'),
    suffix: typedText
      .optional()
      .describe('Characters typed after each scan, before its terminator; stripped where they are found'),
    aim: z
      .enum(['auto', 'none'])
      .default('auto')
      .describe('auto: an AIM identifier (]E0 …) is read and stripped where there is one; none: all is data'),
    symbology: z
      .enum(scannedSymbologies)
      .default('unknown')
      .describe('What a scan without AIM identifier is taken for'),
    gsKey: z
      .enum(functionKeys)
      .optional()
      .describe('Function key typed in place of the GS1 separator 1D, such as f8'),
    gsSubstitute: z
      .string()
      .min(1)
      .max(8)
      .optional()
      .describe('Characters typed in place of the GS1 separator 1D, such as {GS}; put back in GS1 codes'),
    capsLock: z
      .enum(['toggles', 'ignored'])
      .default('toggles')
      .describe(
        'What CapsLock does when the scanner types it; ignored: it only undoes the CapsLock of the till’s own keyboard',
      ),
    encoding: z
      .enum(['utf-8', 'latin-1'])
      .default('utf-8')
      .describe(
        'Bytes made of the characters; latin-1: one byte each up to U+00FF, for scanners that type a code byte by byte',
      ),
  })
  .refine(({ terminators, idleGapMs }) => terminators.length > 0 || idleGapMs !== undefined, {
    error: 'nothing ends a scan: give terminators or idleGapMs',
    path: ['terminators'],
  });
export type KeyboardWedgeConfig = z.output<typeof KeyboardWedgeConfig>;
