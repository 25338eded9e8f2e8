import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import PdfDocument from 'pdfkit';
import { drawCode, printedWidthMm } from './draw-code.ts';
import type { PrintedCode } from './printed-codes.ts';

/** PDF units in a millimetre. */
const MM = 72 / 25.4;
/** DIN A4, margins and the grid, mm. */
const PAGE = { margin: 15, columns: 2, columnMm: 90, rowMm: 52, rows: 5 } as const;

/**
 * Writes the codes as a PDF sheet to print at 100 %, each with what it is and what the till shows.
 * @throws Error of the file system when the file cannot be written
 */
export async function writeCardSheet(path: string, codes: readonly PrintedCode[]): Promise<void> {
  const document = new PdfDocument({
    size: 'A4',
    margin: PAGE.margin * MM,
    info: { Title: 'Stammkunde: cards to scan' },
  });
  const file = createWriteStream(path, { mode: 0o600 });
  const written = once(file, 'finish');
  document.pipe(file);
  const aPage = PAGE.columns * PAGE.rows;
  for (const [i, code] of codes.entries()) {
    const cell = i % aPage;
    if (i > 0 && cell === 0) document.addPage();
    if (cell === 0) heading(document);
    const x = (PAGE.margin + (cell % PAGE.columns) * PAGE.columnMm) * MM;
    const y = (PAGE.margin + 8 + Math.floor(cell / PAGE.columns) * PAGE.rowMm) * MM;
    const image = await drawCode(code);
    const width = printedWidthMm(code.draw, image.readUInt32BE(16)) * MM; // PNG: width in the IHDR chunk
    document
      .font('Helvetica-Bold')
      .fontSize(10)
      .fillColor('black')
      .text(code.title, x, y, { lineBreak: false });
    document
      .font('Helvetica')
      .fontSize(8)
      .fillColor('gray')
      .text(code.shows, x, y + 12, { lineBreak: false });
    document.image(image, x, y + 24, { width });
  }
  document.end();
  await written;
}

function heading(document: PDFKit.PDFDocument): void {
  document
    .font('Helvetica')
    .fontSize(8)
    .fillColor('gray')
    .text('Print at 100 %. Customers and numbers are made up.', PAGE.margin * MM, PAGE.margin * MM, {
      lineBreak: false,
    });
}
