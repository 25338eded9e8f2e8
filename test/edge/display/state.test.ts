import { describe, expect, test } from 'vitest';
import type { TillEvent } from '../../../edge/api/events.ts';
import { sceneOf } from '../../../edge/display/scene.ts';
import {
  CLOSED_SHOWN_MS,
  HANDED_ON_SHOWN_MS,
  NOTICE_SHOWN_MS,
  nothingKnown,
  reduce,
  tillNow,
  UNATTACHED_SHOWN_MS,
  type ViewState,
} from '../../../edge/display/state.ts';
import {
  AT,
  attached,
  blocked,
  closed,
  expired,
  hello,
  known,
  lookedUp,
  lookingUp,
  misreadScan,
  numbered,
  openSale,
  refusedScan,
  saleEvent,
  scan,
  unknown,
  unreached,
  uuid,
} from './samples.ts';

const opened = reduce(nothingKnown, { kind: 'link', link: { kind: 'open' }, monotonicMs: 0 });

/** The state after the till has told all this at once. */
function told(...payloads: readonly TillEvent[]): ViewState {
  return next(opened, ...payloads);
}

function next(state: ViewState, ...payloads: readonly TillEvent[]): ViewState {
  return numbered(...payloads).reduce(
    (before, message) => reduce(before, { kind: 'message', message, monotonicMs: before.monotonicMs }),
    state,
  );
}

function later(state: ViewState, ms: number): ViewState {
  return reduce(state, { kind: 'tick', monotonicMs: state.monotonicMs + ms });
}

const shown = (state: ViewState): string => sceneOf(state).kind;

describe('who stands at the till', () => {
  test('nothing is known before hello', () => {
    expect(shown(nothingKnown)).toBe('connecting');
    expect(shown(opened)).toBe('connecting');
    expect(nothingKnown.sync).toBeNull();
  });

  test('after hello without a sale the page waits', () => {
    expect(shown(told(hello))).toBe('waiting');
  });

  test.each([
    ['known', known],
    ['unknown', unknown],
    ['unreached', unreached],
    ['blocked', blocked],
    ['expired', expired],
  ] as const)('a verdict "%s" is shown', (kind, event) => {
    expect(shown(told(hello, event))).toBe(kind);
    expect(shown(told(hello, saleEvent(openSale), event, saleEvent(attached(event))))).toBe(kind);
  });

  test('a card that is looked up says so, with and without a sale, until the answer comes', () => {
    const alone = told(hello, lookingUp);
    const inSale = told(hello, saleEvent(openSale), lookingUp, saleEvent(attached(lookingUp)));
    for (const state of [alone, inSale]) {
      expect(shown(state)).toBe('looking-up');
      expect(shown(next(state, lookedUp()))).toBe('known');
      expect(next(state, lookedUp()).person?.offers).toEqual(known.offers);
      expect(shown(next(state, lookedUp({ identification: { verdict: 'unknown' }, offers: [] })))).toBe(
        'unknown',
      );
      const unanswered = lookedUp({
        identification: { verdict: 'unreached' },
        offers: [],
        code: 'BUS_TIMEOUT',
      });
      expect(shown(next(state, unanswered))).toBe('unreached');
    }
    expect(shown(next(inSale, lookedUp(), saleEvent(attached(known))))).toBe('known');
  });

  test('an answer about somebody who has gone changes nothing', () => {
    const other = { ...unknown, identificationId: uuid(9) };
    const state = told(hello, lookingUp, other);
    expect(next(state, lookedUp({ applied: false }))).toEqual(state);
    const over = told(hello, saleEvent(attached(lookingUp)), saleEvent(closed(attached(lookingUp))));
    expect(next(over, lookedUp({ applied: false }))).toEqual(over);
  });

  test('a page that comes late hears who waits for a sale, for as long as they would have been shown', () => {
    const { identificationId, credential, trust, identification, currency } = known;
    const waiting = {
      identificationId,
      credential,
      kind: 'card',
      trust,
      identification,
      offers: known.offers,
      currency,
      waitedMs: 60_000,
    } as const;
    const state = told({ ...hello, waiting });
    expect(state.person).toEqual({ ...told(hello, known).person, sinceMs: -60_000 });
    expect(shown(later(state, UNATTACHED_SHOWN_MS - 60_001))).toBe('known');
    expect(shown(later(state, UNATTACHED_SHOWN_MS - 60_000))).toBe('waiting');
    expect(shown(next(state, saleEvent(attached(known))))).toBe('known');
    expect(shown(told({ ...hello, waiting: null }))).toBe('waiting');
  });

  test('somebody identified before the sale stays when the sale opens', () => {
    const state = told(hello, known, saleEvent(openSale));
    expect(shown(state)).toBe('known');
    expect(state.person?.saleId).toBeNull();
  });

  test('before, during or after the basket: the same page', () => {
    const empty = { ...openSale, basket: { ...openSale.basket, lines: [], totalMinor: 0 } };
    const before = told(hello, known, saleEvent(attached(known)));
    const during = told(hello, saleEvent(empty), known, saleEvent(attached(known)));
    const after = told(hello, saleEvent(openSale), known, saleEvent(attached(known)));
    expect(sceneOf(during)).toEqual(sceneOf(before));
    expect(sceneOf(after)).toEqual(sceneOf(before));
  });

  test('a customer detached from the sale is shown no longer', () => {
    expect(shown(told(hello, saleEvent(attached(known)), saleEvent(openSale)))).toBe('waiting');
  });

  test('the customer of one sale is not shown in the next', () => {
    const other = { ...openSale, saleId: uuid(302) };
    expect(shown(told(hello, saleEvent(attached(known)), saleEvent(other)))).toBe('waiting');
  });

  test('the sale’s own offers replace those found before it', () => {
    const sale = { ...attached(known), offers: [] };
    expect(told(hello, known, saleEvent(sale)).person?.offers).toEqual([]);
  });

  test('somebody identified without a sale is forgotten after a while', () => {
    const state = told(hello, known);
    expect(shown(later(state, UNATTACHED_SHOWN_MS - 1))).toBe('known');
    expect(shown(later(state, UNATTACHED_SHOWN_MS))).toBe('waiting');
  });

  test('somebody in a sale is never forgotten while it runs', () => {
    const state = told(hello, saleEvent(attached(known)));
    expect(shown(later(state, 100 * UNATTACHED_SHOWN_MS))).toBe('known');
    expect(shown(later(told(hello, known, saleEvent(openSale)), 100 * UNATTACHED_SHOWN_MS))).toBe('known');
  });

  test('a typed number is marked as such', () => {
    expect(told(hello, { ...known, trust: 'L0' }).person?.typed).toBe(true);
    expect(told(hello, known).person?.typed).toBe(false);
  });
});

describe('scans that lead to nobody', () => {
  test('a refused scan is said for a while and the customer comes back', () => {
    const state = told(hello, known, refusedScan);
    expect(shown(state)).toBe('refused');
    expect(shown(later(state, NOTICE_SHOWN_MS - 1))).toBe('refused');
    expect(shown(later(state, NOTICE_SHOWN_MS))).toBe('known');
  });

  test('an unreadable scan carries why', () => {
    expect(sceneOf(told(hello, misreadScan))).toEqual({ kind: 'unreadable', code: 'REC_CHECK_DIGIT' });
  });

  test('a good scan ends the notice of a bad one', () => {
    expect(shown(told(hello, misreadScan, known))).toBe('known');
    const product = scan({ kind: 'product', code: '1', symbology: 'ean13' });
    expect(shown(told(hello, misreadScan, product))).toBe('waiting');
  });

  test('a touch ends the notice', () => {
    expect(shown(reduce(told(hello, misreadScan), { kind: 'dismiss' }))).toBe('waiting');
  });

  test('a basket that changes does not end the notice', () => {
    expect(shown(told(hello, saleEvent(openSale), misreadScan, saleEvent(openSale)))).toBe('unreadable');
  });

  test('what became of a product is said for a moment, and again for the next', () => {
    const product = scan({ kind: 'product', code: '1', symbology: 'ean-13', passedOn: 'handed-on' });
    const state = told(hello, known, product);
    expect(state.handedOn?.kind).toBe('handed-on');
    expect(later(state, HANDED_ON_SHOWN_MS - 1).handedOn).not.toBeNull();
    expect(later(state, HANDED_ON_SHOWN_MS).handedOn).toBeNull();
    const again = next(later(state, HANDED_ON_SHOWN_MS - 1), product);
    expect(later(again, HANDED_ON_SHOWN_MS - 1).handedOn?.kind).toBe('handed-on');
    expect(shown(again)).toBe('known');
  });

  test.each([
    [undefined, 'handed-on'],
    ['event', 'handed-on'],
    ['claimed', 'handed-on'],
    ['waiting', 'waiting'],
    ['paused', 'paused'],
  ] as const)('a product passed on as %s is said to be %s', (passedOn, kind) => {
    const product = { kind: 'product', code: '1', symbology: 'ean-13' } as const;
    const state = told(hello, scan(passedOn === undefined ? product : { ...product, passedOn }));
    expect(state.handedOn?.kind).toBe(kind);
  });

  test('an unreadable scan the POS has got is not asked for again', () => {
    const state = told(hello, scan({ kind: 'unreadable', code: 'REC_NOT_TEXT', passedOn: 'handed-on' }));
    expect(shown(state)).toBe('waiting');
    expect(state.handedOn?.kind).toBe('handed-on');
  });

  test('a card or a refused scan ends the word about the product before it', () => {
    const product = scan({ kind: 'product', code: '1', symbology: 'ean-13' });
    const card = scan({ kind: 'credential', credential: 'card …7698', scheme: 'house-card' });
    expect(told(hello, product, card).handedOn).toBeNull();
    expect(told(hello, product, refusedScan).handedOn).toBeNull();
    expect(told(hello, product, scan({ kind: 'claimed' })).handedOn).not.toBeNull();
  });

  test('a product is kept exactly as read and changes nobody', () => {
    const code = '<script>alert(1)</script>';
    const state = told(hello, known, scan({ kind: 'product', code, symbology: 'qr' }));
    expect(state.product).toBe(code);
    expect(shown(state)).toBe('known');
  });
});

describe('the sale', () => {
  test('a completed sale is confirmed, then the page waits again', () => {
    const state = told(hello, saleEvent(attached(known)), saleEvent(closed(attached(known))));
    expect(shown(state)).toBe('completed');
    expect(state.sale).toBeNull();
    expect(shown(later(state, CLOSED_SHOWN_MS))).toBe('waiting');
  });

  test('a new sale ends the confirmation of the last', () => {
    const state = told(
      hello,
      saleEvent(closed(attached(known))),
      saleEvent({ ...openSale, saleId: uuid(302) }),
    );
    expect(shown(state)).toBe('waiting');
    expect(state.sale?.saleId).toBe(uuid(302));
  });

  test('the next customer’s card ends the confirmation', () => {
    expect(shown(told(hello, saleEvent(closed(openSale)), known))).toBe('known');
  });

  test('a voided sale is said to be voided', () => {
    expect(shown(told(hello, saleEvent(openSale), saleEvent(closed(openSale, 'voided'))))).toBe('voided');
  });

  test('closing a parked sale leaves the running one and its customer', () => {
    const parked = closed({ ...openSale, saleId: uuid(999) });
    const state = later(told(hello, saleEvent(attached(known)), saleEvent(parked)), CLOSED_SHOWN_MS);
    expect(state.sale?.saleId).toBe(openSale.saleId);
    expect(shown(state)).toBe('known');
  });

  test('what was read in one sale is not shown in the next', () => {
    const product = scan({ kind: 'product', code: '1', symbology: 'ean13' });
    const state = told(hello, saleEvent(openSale), product, saleEvent(openSale));
    expect(state.product).toBe('1');
    expect(next(state, saleEvent({ ...openSale, saleId: uuid(302) })).product).toBeNull();
  });
});

describe('connection', () => {
  test('hello resets everything that was known', () => {
    const state = told(hello, saleEvent(attached(known)), misreadScan);
    expect(sceneOf(next(state, hello))).toEqual({ kind: 'waiting' });
    expect(next(state, hello).sale).toBeNull();
  });

  test('hello in the middle of a sale brings the sale and its customer back', () => {
    expect(shown(told({ ...hello, sale: attached(known) }))).toBe('known');
  });

  test('a sale closed long ago is not confirmed again by hello', () => {
    expect(shown(told({ ...hello, sale: closed(attached(known)) }))).toBe('waiting');
  });

  test('a lost connection is shown and forgets what may no longer be true', () => {
    const lost = reduce(told(hello, saleEvent(attached(known))), {
      kind: 'link',
      link: { kind: 'lost', reason: 'unreachable' },
      monotonicMs: 5,
    });
    expect(sceneOf(lost)).toEqual({ kind: 'gone', reason: 'unreachable' });
    expect([lost.person, lost.sale, lost.sync, lost.readers]).toEqual([null, null, null, []]);
  });

  test('the till’s time goes on between its messages', () => {
    expect(tillNow(nothingKnown)).toBeNull();
    expect(tillNow(later(told(hello), 61_000))).toBe(AT + 61_000);
  });
});

describe('readers', () => {
  const waitingReader = { ...hello.readers[0], id: 'counter', kind: 'serial-line', scans: 41 } as const;

  test('a reader is replaced by its newest word, a new one is added', () => {
    const lost = { ...waitingReader, status: 'waiting', code: 'DRV_PORT_LOST' } as const;
    const state = told(
      hello,
      { event: 'reader', reader: lost },
      { event: 'reader', reader: { ...lost, id: 'second' } },
    );
    expect(state.readers.map(({ id, status }) => [id, status])).toEqual([
      ['counter', 'waiting'],
      ['second', 'waiting'],
    ]);
    expect(shown(state)).toBe('no-reader');
  });

  test('one ready reader is enough to be ready', () => {
    const second = { ...waitingReader, id: 'second', status: 'waiting', code: 'DRV_PORT_ABSENT' } as const;
    expect(shown(told(hello, { event: 'reader', reader: second }))).toBe('waiting');
  });
});
