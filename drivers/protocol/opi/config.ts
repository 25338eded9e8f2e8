import { z } from 'zod';

const XmlName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_.-]{0,31}$/, 'expected the name of an element or attribute, without prefix');

/** A payment terminal that speaks O.P.I. (channel 0), listened in on. */
export const OpiConfig = z.strictObject({
  kind: z.literal('opi').describe('A payment terminal that speaks O.P.I.; the till listens in'),
  id: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/, 'expected 1 to 32 of a–z, 0–9 and -')
    .describe('Name of this reader, unique on the till'),
  terminal: z
    .strictObject({
      host: z.string().min(1).max(253).describe('Name or address of the terminal'),
      port: z
        .int()
        .min(1)
        .max(65_535)
        .default(20_002)
        .describe('TCP port of channel 0 on the terminal, as its settings have it'),
      connectTimeoutMs: z
        .int()
        .min(100)
        .max(60_000)
        .default(5000)
        .describe('Give one attempt to connect this long, in ms'),
    })
    .describe('Where the terminal is'),
  listen: z
    .strictObject({
      host: z
        .string()
        .min(1)
        .max(253)
        .default('127.0.0.1')
        .describe(
          'Address to listen on for the cash register; another one than 127.0.0.1 only in a closed network',
        ),
      port: z.int().min(0).max(65_535).default(20_002).describe('Port to listen on; 0 takes any free one'),
    })
    .prefault({})
    .describe('Where the cash register dials instead of the terminal'),
  parNames: z
    .array(XmlName)
    .min(1)
    .max(8)
    .default(['PAR', 'PaymentAccountReference'])
    .readonly()
    .describe('Elements or attributes in which the terminal tells the PAR; ask its vendor'),
  tokenNames: z
    .array(XmlName)
    .max(8)
    .default([])
    .readonly()
    .describe('Elements or attributes with a token of the card, best first; docs/pci.md says which may be'),
});
export type OpiConfig = z.output<typeof OpiConfig>;
