import { de } from './texts/de.ts';
import { en } from './texts/en.ts';
import type { Texts } from './texts/texts.ts';

export const languages = ['de', 'en'] as const;
export type Language = (typeof languages)[number];

/** Every text of the page, by language. */
export const texts: Readonly<Record<Language, Texts>> = { de, en };

const regionless: Readonly<Record<Language, string>> = { de: 'de-DE', en: 'en-GB' };

/** `asked` (?lang=) before `stored` (the toggle) before what the browser prefers; English when it speaks neither. */
export function chooseLanguage(
  asked: string | null,
  stored: string | null,
  preferred: readonly string[],
): Language {
  const candidates = [asked, stored, ...preferred].map((tag) => tag?.toLowerCase().split('-')[0]);
  for (const candidate of candidates) {
    const language = languages.find((one) => one === candidate);
    if (language !== undefined) return language;
  }
  return 'en';
}

/** The locale for numbers and times: the browser's own region of that language where it names one (de-AT, de-CH). */
export function localeOf(language: Language, preferred: readonly string[]): string {
  return preferred.find((tag) => tag.toLowerCase().startsWith(`${language}-`)) ?? regionless[language];
}
