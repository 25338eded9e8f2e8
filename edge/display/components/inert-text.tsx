import type { ReactNode } from 'react';
import { inert } from '../inert.ts';

/** A text from outside, isolated so that its writing direction cannot disturb what stands beside it. */
export function InertText({ text, lengthMax }: { text: string; lengthMax?: number }): ReactNode {
  return <bdi>{inert(text, lengthMax)}</bdi>;
}
