/**
 * Stable names of what a reader can read. They appear in configuration, in the local API and in the journal: never
 * renamed. `gs1-…` means FNC1 in first position, so the payload is GS1 element strings.
 */
const symbols = [
  'ean-13',
  'ean-13-addon',
  'ean-8',
  'ean-addon',
  'upc-a',
  'upc-e',
  'code-128',
  'gs1-128',
  'isbt-128',
  'code-39',
  'code-93',
  'code-11',
  'code-16k',
  'code-49',
  'codablock',
  'itf',
  'straight-2of5',
  'codabar',
  'msi',
  'plessey',
  'telepen',
  'posicode',
  'gs1-databar',
  'pdf417',
  'maxicode',
  'qr',
  'gs1-qr',
  'micro-qr',
  'data-matrix',
  'gs1-data-matrix',
  'aztec',
  'gs1-aztec',
  'dotcode',
  'gs1-dotcode',
  'han-xin',
  'ocr',
  'magstripe',
  'unknown',
] as const;

/** What only payment terminals tell: no scanner can be configured to be taken for one. */
const fromTerminals = [
  /** EMV Payment Account Reference as a payment terminal told it: 29 characters, no account data. */
  'emv-par',
  /** Token of a bank card that a payment terminal or its acquirer made for loyalty programmes; opaque. */
  'card-token',
  /** Loyalty number out of a wallet pass, read over NFC by a payment terminal. */
  'wallet-pass',
] as const;

export const symbologies = [...symbols, ...fromTerminals] as const;
/** Those a scanner may have read, when it does not tell. */
export const scannedSymbologies = symbols;

export type Symbology = (typeof symbologies)[number];
