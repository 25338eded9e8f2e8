import { z } from 'zod';
import { zvtTokenKinds } from './status-information.ts';

const tcp = z.strictObject({
  kind: z.literal('tcp').describe('A terminal in the network'),
  host: z.string().min(1).max(253).describe('Name or address of the terminal'),
  port: z.int().min(1).max(65_535).default(20_007).describe('TCP port the terminal listens on'),
  connectTimeoutMs: z
    .int()
    .min(100)
    .max(60_000)
    .default(5000)
    .describe('Give one attempt to connect this long, in ms'),
});

const serial = z.strictObject({
  kind: z.literal('serial').describe('A terminal on a serial port; for read-card only'),
  path: z
    .string()
    .min(1)
    .max(255)
    .describe('Device path, best one that survives replugging: /dev/serial/by-id/…, COM3'),
  baudRate: z
    .int()
    .min(300)
    .max(4_000_000)
    .default(9600)
    .describe('Bits per second, as set in the terminal; 8 data bits, no parity'),
  stopBits: z.literal([1, 2]).default(2).describe('Stop bits; ZVT says 2'),
});

const listen = z.strictObject({
  kind: z
    .literal('listen')
    .describe(
      'Listen in between cash register and terminal: the register dials this till, it dials the terminal',
    ),
  host: z
    .string()
    .min(1)
    .max(253)
    .default('127.0.0.1')
    .describe(
      'Address to listen on for the cash register; another one than 127.0.0.1 only in a closed network',
    ),
  port: z.int().min(0).max(65_535).default(20_007).describe('Port to listen on; 0 takes any free one'),
});

const readCard = z.strictObject({
  kind: z
    .literal('read-card')
    .describe('Ask the terminal for cards; only for a terminal that no cash register uses'),
  when: z
    .enum(['always', 'on-request'])
    .default('always')
    .describe(
      'always: one reading after the other; on-request: only when the POS asks for it (POST /v1/readers/{id}/read)',
    ),
  readTimeoutSeconds: z
    .int()
    .min(5)
    .max(150)
    .default(60)
    .describe('How long the terminal waits for a card in one reading'),
  pauseMs: z.int().min(0).max(60_000).default(500).describe('Pause between two readings, in ms'),
  sameCardMs: z
    .int()
    .min(0)
    .max(60_000)
    .default(10_000)
    .describe(
      'The same card read again within this time, in ms, is a card left in the terminal and no new scan',
    ),
  register: z
    .boolean()
    .default(true)
    .describe('Register with the terminal (06 00) after connecting; most refuse Read Card without'),
  password: z
    .string()
    .regex(/^[0-9]{6}$/, 'expected 6 digits')
    .default('000000')
    .describe('Register password of the terminal'),
  currency: z
    .string()
    .regex(/^[0-9]{3}$/, 'expected three digits, such as 978 for EUR')
    .default('978')
    .describe('Currency for the registration, ISO 4217 numeric: 978 EUR, 756 CHF'),
  walletPass: z
    .boolean()
    .default(false)
    .describe('Also ask for the loyalty number of a wallet pass (value added services)'),
  cardItem: z
    .enum(['default', 'online', 'sha256-offline'])
    .default('online')
    .describe(
      'How the terminal is to make 1f14, asked for only when tokens names it. sha256-offline is a digest of the card number made in the terminal: see docs/pci.md first',
    ),
});

/** A payment terminal that speaks ZVT (PA00P015, PA00P016). */
export const ZvtConfig = z
  .strictObject({
    kind: z.literal('zvt').describe('A payment terminal that speaks ZVT'),
    id: z
      .string()
      .regex(/^[a-z0-9-]{1,32}$/, 'expected 1 to 32 of a–z, 0–9 and -')
      .describe('Name of this reader, unique on the till'),
    terminal: z.discriminatedUnion('kind', [tcp, serial]).describe('Where the terminal is'),
    mode: z.discriminatedUnion('kind', [listen, readCard]).describe('How cards come from it'),
    tokens: z
      .array(z.enum(zvtTokenKinds))
      .max(zvtTokenKinds.length)
      .default(['1f8007', '1f8008'])
      .readonly()
      .describe('Card tokens taken where there is no PAR; see docs/pci.md for what each is'),
  })
  .refine(({ terminal, mode }) => terminal.kind === 'tcp' || mode.kind === 'read-card', {
    error: 'listening in needs a terminal in the network: terminal.kind tcp',
    path: ['terminal', 'kind'],
  });
export type ZvtConfig = z.output<typeof ZvtConfig>;
export type ZvtReadCardMode = z.output<typeof readCard>;
