import { z } from 'zod';

/** An origin exactly as browsers send it (RFC 6454, 6.1): scheme, host and port, nothing after. */
const Origin = z
  .string()
  .max(200)
  .refine(
    (text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) && new URL(text).origin === text,
    'expected an origin as browsers send it, like "https://pos.example:8443", without a path',
  );

/** How the POS and the display reach this till. */
export const ApiConfig = z.strictObject({
  host: z
    .enum(['loopback', '127.0.0.1', '::1'])
    .default('loopback')
    .describe('Only this machine is ever served; "loopback" is 127.0.0.1 and, where there is one, ::1'),
  port: z.int().min(0).max(65_535).default(8471).describe('0 takes any free port'),
  tokenFile: z.string().min(1).describe('File (mode 0640) with the token of the POS'),
  displayTokenFile: z
    .string()
    .min(1)
    .describe(
      'File (mode 0640) with the token of the display, which may read and answer what the display asks',
    ),
  allowedOrigins: z
    .array(Origin)
    .max(20)
    .default([])
    .describe('Origins of POS pages in a browser that may call this API'),
});
export type ApiConfig = z.infer<typeof ApiConfig>;
