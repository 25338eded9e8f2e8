import bwipjs from 'bwip-js/node';
import type { PrintedCode } from './printed-codes.ts';

/** Dots for each module: a laser printer's 600 dpi give a linear code a module of 0.33 mm, as GS1 has it. */
const DOTS_PER_MODULE = 8;
/** Width of the bars' module, mm (GS1 General Specifications 5.2.6.6: 0.33 mm is the nominal size). */
const MODULE_MM = 0.33;
/** A square code's module is larger: a phone's or an imager's optics have to resolve it both ways. */
const SQUARE_MODULE_MM = 0.5;

/** A code as a PNG image, with the quiet zone a scanner needs around it. */
export async function drawCode({ draw, text }: Pick<PrintedCode, 'draw' | 'text'>): Promise<Buffer> {
  return bwipjs.toBuffer({
    bcid: draw,
    text,
    scale: DOTS_PER_MODULE,
    ...(isSquare(draw) ? {} : { height: 15, includetext: true, textxalign: 'center' }),
    paddingwidth: 10,
    paddingheight: 4,
    backgroundcolor: 'ffffff',
  });
}

function isSquare(draw: string): boolean {
  return draw === 'qrcode' || draw.endsWith('datamatrix');
}

/** Width of an image of {@link drawCode} when it is printed, mm. */
export function printedWidthMm(draw: string, pixels: number): number {
  return (pixels / DOTS_PER_MODULE) * (isSquare(draw) ? SQUARE_MODULE_MM : MODULE_MM);
}
