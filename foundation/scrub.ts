/**
 * The last line of defence before a log line leaves the process: digit runs that could be a card number, EMV PARs,
 * mail addresses and long base64 runs are replaced. Times are logged as ISO text, ids are UUIDs and hashes are cut to
 * 16 hex digits where they are logged, so none of them is touched. Nothing may rely on this to hide a field it should
 * not have logged.
 */
export function scrub(jsonLine: string): string {
  return jsonLine
    .replace(DIGITS, (run, at: number) => (isJsonNumber(jsonLine, at, run.length) ? '0' : '[digits]'))
    .replace(PAR, '[par]')
    .replace(MAIL, '[mail]')
    .replace(SECRET, (run) => (isPath(run) ? run : '[secret]'));
}

/** 13–19 digits, also grouped by single spaces or hyphens, not part of a longer word or of a UUID. */
const DIGITS = /(?<![0-9A-Za-z.-])\d(?:[ -]?\d){12,18}(?![0-9A-Za-z-])/g;
/** EMV payment account reference: 29 upper-case alphanumerics (EMVCo tag 9F24). */
const PAR = /(?<![0-9A-Za-z])[0-9A-Z]{29}(?![0-9A-Za-z])/g;
const MAIL = /[^\s"@<>]+@[^\s"@<>]+\.[A-Za-z]{2,}/g;
const SECRET = /(?<![0-9A-Za-z+/_-])[0-9A-Za-z+/_-]{60,}={0,2}/g;

/** A long path of a stack trace is no secret: its parts are words. */
function isPath(run: string): boolean {
  return run.split('/').every((part) => part.length < 40);
}

/** A bare number must stay a number, or the line would no longer be JSON. */
function isJsonNumber(line: string, at: number, length: number): boolean {
  return /[:,[]/.test(line[at - 1] ?? '') && /[,}\]]/.test(line[at + length] ?? '');
}
