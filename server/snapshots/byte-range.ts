/** Bytes asked for: `whole`, from `start` to `end` with both included, or none there are. */
export type ByteRange =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly start: number; readonly end: number }
  | { readonly kind: 'beyond' };

/**
 * The `Range` header of RFC 9110, 14.2, for something of `total` bytes. What is no single range of bytes is passed
 * over, as the RFC allows.
 */
export function byteRangeOf(header: string | undefined, total: number): ByteRange {
  const [, from, to] = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(header?.trim() ?? '') ?? [];
  if (from === undefined || to === undefined || (from === '' && to === '')) return { kind: 'whole' };
  if (from === '') {
    // The last so many bytes.
    const length = Math.min(Number(to), total);
    return length === 0 ? { kind: 'beyond' } : { kind: 'part', start: total - length, end: total - 1 };
  }
  const start = Number(from);
  if (start >= total) return to !== '' && Number(to) < start ? { kind: 'whole' } : { kind: 'beyond' };
  const end = to === '' ? total - 1 : Math.min(Number(to), total - 1);
  return end < start ? { kind: 'whole' } : { kind: 'part', start, end };
}
