import { inert } from '../display/inert.ts';
import type { ReaderReport } from './readers-report.ts';

/** Longer than any line that belongs here. */
const LINE_MAX = 400;

/** The report for people, a few lines a device. What devices say of themselves is shown without control characters. */
export function printReport(reports: readonly ReaderReport[]): string {
  if (reports.length === 0) {
    return 'No reader is attached. Network scanners and payment terminals are not looked for.\n';
  }
  return reports.map(printOne).join('\n');
}

function printOne(report: ReaderReport): string {
  const where = [
    report.usb === undefined ? undefined : `USB ${report.usb}`,
    report.serialNumber === undefined ? undefined : `serial number ${report.serialNumber}`,
    report.usbPort === undefined ? undefined : `port ${report.usbPort}`,
    report.path,
  ].filter((each) => each !== undefined);
  const lines = [
    report.name,
    `  is       ${where.join(', ')}`,
    `  speaks   ${report.speaks ?? 'nothing that is read as it is'}`,
  ];
  if (report.configuredAs !== undefined) lines.push(`  reader   ${report.configuredAs}`);
  for (const lack of report.lacks) {
    lines.push(`  lacks    ${lack.what}: ${lack.why}`);
    if (lack.line !== undefined)
      lines.push(`           into ${lack.file ?? ''}:`, `             ${lack.line}`);
  }
  if (report.lacks.length === 0) lines.push('  lacks    nothing');
  return `${lines.map((line) => inert(line, LINE_MAX)).join('\n')}\n`;
}
