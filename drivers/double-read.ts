import type { Scan } from './driver.ts';

/**
 * A trigger cannot be pulled, released and pulled again, and the code be decoded, within less, ms. A scanner that keeps
 * sending what stays in its view does so every 15 to 60 ms, the time of a picture and of the transmission. No reader of
 * today's tells of its trigger itself: HID POS usage 14 (Trigger Report) is an order to the device, not a message of it.
 */
export const SAME_TRIGGER_MS = 150;

/** Codes remembered at once; there are rarely two in one picture. The one seen longest ago makes room. */
const CODES_MAX = 16;

/** A code that one trigger may still be holding in view. */
interface Seen {
  readonly scan: Scan;
  lastMs: number;
  /** Of each interface of the device: when it last sent the code, and how many triggers it has told of. */
  readonly interfaces: Map<string, { lastMs: number; triggers: number }>;
}

/**
 * Tells a scan from another sight of the same code within one pull of the trigger. One is kept for each device; its
 * readers are the interfaces it speaks over.
 *
 * ```
 *   code not seen within the limit ───────────────────────────────► a scan
 *   seen ─┬─ over this interface within the limit ────────────────► a repeat, and the limit begins anew
 *         └─ over this interface longer ago, or only over others:
 *              the device's next trigger here ─┬─ another interface told of it already ──► a repeat
 *                                              └─ none did ──────────────────────────────► a scan
 * ```
 *
 * So N sights of a code, each at least the limit after the one before, are N scans, however many there are: two customers
 * with the same coupon stay two. Time is when the last byte arrived; a process that stood still for longer than the limit
 * and then reads two codes at once cannot tell them apart.
 *
 * A scan whose bytes have been wiped is equal to none: of a payment card not even this is remembered.
 */
export class DoubleReads {
  readonly #sameTriggerMs: number;
  #seen: Seen[] = [];

  /** @param sameTriggerMs the same code again after less than this is the same trigger; 0 = each is a scan */
  constructor(sameTriggerMs: number) {
    this.#sameTriggerMs = sameTriggerMs;
  }

  /** Codes that are remembered. */
  get remembered(): number {
    return this.#seen.length;
  }

  /** Whether this is no scan of its own. Scans are given in the order in which they arrived. */
  isRepeat(scan: Scan): boolean {
    const nowMs = scan.receivedAtMonotonicMs;
    this.forget(nowMs);
    const seen = this.#seen.find((each) => isSameCode(each.scan, scan));
    if (seen === undefined) {
      if (this.#sameTriggerMs > 0) this.#remember(scan);
      return false;
    }
    seen.lastMs = nowMs;
    const here = seen.interfaces.get(scan.readerId);
    if (here !== undefined && nowMs - here.lastMs < this.#sameTriggerMs) {
      here.lastMs = nowMs;
      return true;
    }
    const told = Math.max(...[...seen.interfaces.values()].map(({ triggers }) => triggers));
    const triggers = (here?.triggers ?? 0) + 1;
    seen.interfaces.set(scan.readerId, { lastMs: nowMs, triggers });
    return triggers <= told;
  }

  /** Lets go of what no scan from now on can repeat. */
  forget(nowMs: number): void {
    this.#seen = this.#seen.filter(({ lastMs }) => nowMs - lastMs < this.#sameTriggerMs);
  }

  #remember(scan: Scan): void {
    if (this.#seen.length >= CODES_MAX) this.#seen.shift();
    const lastMs = scan.receivedAtMonotonicMs;
    this.#seen.push({ scan, lastMs, interfaces: new Map([[scan.readerId, { lastMs, triggers: 1 }]]) });
  }
}

/** Over another interface the identifier may be missing, and the symbology with it. */
function isSameCode(a: Scan, b: Scan): boolean {
  if (a.wiped || b.wiped || a.payload.length !== b.payload.length) return false;
  if (a.readerId === b.readerId && (a.aim !== b.aim || a.symbology !== b.symbology)) return false;
  return a.payload.every((byte, i) => byte === b.payload[i]);
}
