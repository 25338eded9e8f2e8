import { z } from 'zod';

const common = {
  id: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/, 'expected 1 to 32 of a–z, 0–9 and -')
    .describe('Name of this output, unique on the till'),
  from: z
    .array(z.string())
    .min(1)
    .max(32)
    .optional()
    .describe('Readers whose scans are passed on here; absent: all of them'),
  aim: z
    .enum(['keep', 'strip'])
    .default('keep')
    .describe('keep: the AIM identifier as the reader sent it; strip: the data alone'),
  prefixHex: z
    .string()
    .regex(/^(?:[0-9a-f]{2}){1,16}$/i, 'expected 1 to 16 bytes in hexadecimal, such as 7e41')
    .optional()
    .describe('Bytes to send before each scan, in hexadecimal'),
  suffix: z.enum(['cr', 'lf', 'crlf', 'tab', 'none']).default('cr').describe('What to send after each scan'),
  maxAgeMs: z
    .int()
    .min(100)
    .max(10_000)
    .default(2_000)
    .describe('A scan the POS has not taken after this long, in ms, is dropped and counted'),
};

const PtyOutput = z.strictObject({
  kind: z
    .literal('pty')
    .describe('A virtual serial port which the POS opens like a scanner’s (Linux, macOS)'),
  ...common,
  path: z
    .string()
    .min(1)
    .max(255)
    .describe('Where the POS finds it, such as /run/stammkunde/scanner; the folder must exist'),
  access: z
    .enum(['owner', 'group', 'all'])
    .default('group')
    .describe('Who may open it: the account of the daemon, its group too, or everyone'),
});

const SerialOutput = z.strictObject({
  kind: z
    .literal('serial')
    .describe('A serial port that is there: the near end of a virtual COM pair, a cable'),
  ...common,
  path: z.string().min(1).max(255).describe('Device path of our end: COM11, /dev/ttyS1'),
  baudRate: z
    .int()
    .min(300)
    .max(4_000_000)
    .default(9600)
    .describe('Bits per second; a virtual pair ignores it'),
});

const TcpListenOutput = z.strictObject({
  kind: z
    .literal('tcp-listen')
    .describe('Programs of this machine connect to the daemon, several if they like'),
  ...common,
  host: z.enum(['127.0.0.1', '::1']).default('127.0.0.1').describe('Only this machine is ever served'),
  port: z.int().min(0).max(65_535).describe('TCP port to listen on; 0 takes any free port'),
  clientsMax: z.int().min(1).max(32).default(4).describe('Programs that may be connected at once'),
});

const TcpConnectOutput = z.strictObject({
  kind: z.literal('tcp-connect').describe('The daemon connects to the POS'),
  ...common,
  host: z.string().min(1).max(253).describe('Name or address of the POS'),
  port: z.int().min(1).max(65_535).describe('TCP port the POS listens on'),
  connectTimeoutMs: z
    .int()
    .min(100)
    .max(60_000)
    .default(5_000)
    .describe('Give one attempt to connect this long, in ms'),
});

export const OutputConfig = z.discriminatedUnion('kind', [
  PtyOutput,
  SerialOutput,
  TcpListenOutput,
  TcpConnectOutput,
]);
export type OutputConfig = z.output<typeof OutputConfig>;

/** How scans that identify nobody reach the POS. The WebSocket tells of them in any case. */
export const PassThroughConfig = z.strictObject({
  unreadable: z
    .enum(['pass', 'drop'])
    .default('pass')
    .describe(
      'Scans that are no text or too long for a card, such as binary codes, are the POS’s to judge: pass. Never passed: payment cards, tokens of bank cards, numbers of a card scheme',
    ),
  outputs: z
    .array(OutputConfig)
    .max(8)
    .default([])
    .check((context) => {
      const seen = new Set<string>();
      for (const [index, { id }] of context.value.entries()) {
        if (seen.has(id)) {
          context.issues.push({
            code: 'custom',
            message: `there is another output named ${id}`,
            input: id,
            path: [index, 'id'],
          });
        }
        seen.add(id);
      }
    })
    .describe('Where to'),
});
export type PassThroughConfig = z.output<typeof PassThroughConfig>;
