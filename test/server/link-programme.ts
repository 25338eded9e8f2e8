import type { ConsentText } from '../../sync/contract/consent.ts';
import type { ProgrammeDocument } from '../../sync/contract/replica-documents.ts';
import { programme } from './programme.ts';

/** The programme with the text that is agreed to when a bank card is linked. */
export const linkProgramme: ProgrammeDocument & { readonly consentTexts: [ConsentText] } = {
  ...programme,
  version: 2,
  consentTexts: [
    {
      purpose: 'bankcard_link',
      version: 'v1',
      text: {
        de: 'Ich möchte mit meiner Bankkarte erkannt werden.',
        en: 'I want to be recognised by my bank card.',
      },
    },
  ],
};
