import { XMLParser } from 'fast-xml-parser';
import type { CardIdentity, TerminalReading } from '../payment-terminal/card-identity.ts';
import { isPar, looksLikeCardNumber } from '../payment-terminal/card-identity.ts';
import { overwriteCardData } from './overwrite-card-data.ts';

/** Names under which a terminal tells PAR and tokens; O.P.I. does not fix them. */
export interface OpiNames {
  readonly par: readonly string[];
  readonly tokens: readonly string[];
}

/** What is of interest in one O.P.I. message. */
export interface OpiReading extends TerminalReading {
  /** Name of the root element, such as CardServiceResponse; empty when it could not be read. */
  readonly root: string;
  /** What the register asked for, such as CardPayment; a response repeats it. */
  readonly requestType: string;
}

/**
 * Reads one message. All of `body` is zeros afterwards; card data is overwritten before any text is made of it. A
 * message with a document type, a comment, a CDATA section, a numeric character reference or a NUL is not read at all:
 * O.P.I. has none of them, and each could hide digits. Nor is one far larger than those of O.P.I. Never throws.
 */
export function readOpiMessage(body: Uint8Array, names: OpiNames): OpiReading {
  try {
    if (!isPlain(body)) return unreadable([]);
    const cardNumbers = overwriteCardData(body);
    const root = parse(body);
    if (root === undefined) return unreadable(cardNumbers);
    const found = new Finder(names);
    found.search(root.content, 0);
    const requestType = textOf(root.content['@RequestType']);
    return {
      root: root.name,
      requestType,
      outcome: textOf(root.content['@OverallResult']) === 'Success' ? 'successful' : 'failed',
      identity: found.identity(),
      walletId: undefined,
      cardType: undefined,
      cardNumbers: [...cardNumbers, ...found.cardNumbers],
      malformed: false,
    };
  } finally {
    body.fill(0);
  }
}

/** Reads a message of its own: the first one of a process takes fifteen times as long, and nobody is to wait for it. */
export function warmUpOpiReading(names: OpiNames): void {
  readOpiMessage(
    Uint8Array.from(
      Buffer.from(
        '<?xml version="1.0"?><r xmlns:a="urn:a" a:b="c"><d e="f"/><g>h<i>j</i></g><g>1234567890123456</g></r>',
      ),
    ),
    names,
  );
}

function unreadable(cardNumbers: TerminalReading['cardNumbers']): OpiReading {
  return {
    root: '',
    requestType: '',
    outcome: 'failed',
    identity: undefined,
    walletId: undefined,
    cardType: undefined,
    cardNumbers,
    malformed: true,
  };
}

const LT = 0x3c;
const GT = 0x3e;
const EXCLAMATION = 0x21;
const AMPERSAND = 0x26;
const HASH = 0x23;
const EQUALS = 0x3d;

/**
 * A response has one or two thousand bytes, some thirty tags and fifty attributes; many more would keep the till busy
 * for longer than a scan may wait.
 */
const XML_BYTES_MAX = 8_192;
const TAGS_MAX = 200;
const ATTRIBUTES_MAX = 200;
const TAG_BYTES_MAX = 2_048;

function isPlain(body: Uint8Array): boolean {
  if (body.length > XML_BYTES_MAX) return false;
  let tags = 0;
  let attributes = 0;
  let tagAt: number | undefined;
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at];
    const next = body[at + 1];
    if (byte === 0x00 || (byte === LT && next === EXCLAMATION) || (byte === AMPERSAND && next === HASH)) {
      return false;
    }
    if (byte === LT) {
      tags += 1;
      tagAt ??= at;
    } else if (byte === GT) {
      tagAt = undefined;
    } else if (byte === EQUALS) {
      attributes += 1;
    }
    if (tags > TAGS_MAX || attributes > ATTRIBUTES_MAX || at - (tagAt ?? at) > TAG_BYTES_MAX) return false;
  }
  return true;
}

/** An O.P.I. message has four levels; this is for what a vendor adds. */
const NESTING_MAX = 16;

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  textNodeName: '#',
  removeNSPrefix: true,
  parseTagValue: false,
  parseAttributeValue: false,
  processEntities: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  maxNestedTags: NESTING_MAX,
});

type Content = Readonly<Record<string, unknown>>;

function parse(body: Uint8Array): { readonly name: string; readonly content: Content } | undefined {
  let document: unknown;
  try {
    // Latin-1 whatever the declaration says: what is looked for is ASCII, and no byte can be invalid.
    document = parser.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1'));
  } catch {
    return undefined;
  }
  if (!isContent(document)) return undefined;
  const [root, another] = Object.entries(document).filter(([name]) => name !== '#');
  if (root === undefined || another !== undefined) return undefined;
  const [name, content] = root;
  return isContent(content) ? { name, content } : undefined;
}

function isContent(value: unknown): value is Content {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.trim() : '';
}

const TOKEN_BYTES_MIN = 4;
const TOKEN_BYTES_MAX = 128;

class Finder {
  readonly cardNumbers: 'token'[] = [];
  readonly #parNames: ReadonlySet<string>;
  readonly #tokenNames: readonly string[];
  readonly #tokens = new Map<string, Uint8Array>();
  #par: Uint8Array | undefined;

  constructor(names: OpiNames) {
    this.#parNames = new Set(names.par.map((name) => name.toLowerCase()));
    this.#tokenNames = names.tokens.map((name) => name.toLowerCase());
  }

  search(content: Content, depth: number): void {
    if (depth > NESTING_MAX) return;
    for (const [key, value] of Object.entries(content)) {
      const name = key.replace('@', '').toLowerCase();
      for (const each of Array.isArray(value) ? (value as readonly unknown[]) : [value]) {
        if (isContent(each)) {
          this.#look(name, textOf(each['#']));
          this.search(each, depth + 1);
        } else {
          this.#look(name, textOf(each));
        }
      }
    }
  }

  /** PAR first, then tokens in the order they are configured. */
  identity(): CardIdentity | undefined {
    if (this.#par !== undefined) return { kind: 'par', par: this.#par };
    for (const name of this.#tokenNames) {
      const token = this.#tokens.get(name);
      if (token !== undefined) return { kind: 'token', tokenKind: `opi-${name}`, token };
    }
    return undefined;
  }

  #look(name: string, value: string): void {
    if (value === '') return;
    const isToken = this.#tokenNames.includes(name);
    if (!isToken && !this.#parNames.has(name)) return;
    const bytes = Uint8Array.from(Buffer.from(value, 'latin1'));
    if (this.#parNames.has(name)) {
      if (isPar(bytes)) this.#par ??= bytes;
    } else if (looksLikeCardNumber(bytes)) {
      this.cardNumbers.push('token');
      bytes.fill(0);
    } else if (
      bytes.length >= TOKEN_BYTES_MIN &&
      bytes.length <= TOKEN_BYTES_MAX &&
      // Overwritten, or masked by the terminal: the same for every card.
      !/^[X*#]+$/.test(value) &&
      !this.#tokens.has(name)
    ) {
      this.#tokens.set(name, bytes);
    }
  }
}
