import type { OutputConfig } from './config.ts';

const suffixes: Readonly<Record<OutputConfig['suffix'], string>> = {
  cr: '\r',
  lf: '\n',
  crlf: '\r\n',
  tab: '\t',
  none: '',
};

/**
 * What the POS gets for a scan: the bytes as the reader sent them between the prefix and the suffix it was told to expect.
 * @param frame AIM identifier, if the reader sent one, and data
 */
export function outgoingFrame(
  output: Pick<OutputConfig, 'aim' | 'suffix'> & { readonly prefixHex?: string | undefined },
  aim: string | undefined,
  frame: Uint8Array,
): Uint8Array {
  const identifier = output.aim === 'strip' ? (aim?.length ?? 0) : 0;
  return Buffer.concat([
    Buffer.from(output.prefixHex ?? '', 'hex'),
    frame.subarray(identifier),
    Buffer.from(suffixes[output.suffix], 'latin1'),
  ]);
}
