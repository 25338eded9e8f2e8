import { createContext, useContext } from 'react';
import type { Format } from '../format.ts';
import { type Language, texts } from '../language.ts';
import type { Texts } from '../texts/texts.ts';
import { formatFor } from '../format.ts';

/** The language the page speaks: its words, its numbers, and which of a bilingual text to take. */
export interface Speech {
  readonly language: Language;
  readonly t: Texts;
  readonly format: Format;
}

export const SpeechContext = createContext<Speech>({
  language: 'en',
  t: texts.en,
  format: formatFor('en-GB'),
});

export function useSpeech(): Speech {
  return useContext(SpeechContext);
}
