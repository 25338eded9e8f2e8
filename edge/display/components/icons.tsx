import type { ReactNode } from 'react';

export type IconName =
  | 'scan'
  | 'check'
  | 'question'
  | 'stop'
  | 'clock'
  | 'bank-card'
  | 'rescan'
  | 'plug'
  | 'void'
  | 'key'
  | 'look-up'
  | 'no-answer';

/** Each state has a shape of its own as well as a colour, for those who do not see the colour. */
const circle = <circle className="icon-ground" cx="48" cy="48" r="44" />;
const diamond = (
  <rect className="icon-ground" x="15" y="15" width="66" height="66" rx="14" transform="rotate(45 48 48)" />
);
const octagon = (
  <path
    className="icon-ground"
    d="M33 5h30a8 8 0 0 1 5.7 2.3l20 20A8 8 0 0 1 91 33v30a8 8 0 0 1-2.3 5.7l-20 20A8 8 0 0 1 63 91H33a8 8 0 0 1-5.7-2.3l-20-20A8 8 0 0 1 5 63V33a8 8 0 0 1 2.3-5.7l20-20A8 8 0 0 1 33 5z"
  />
);
const square = <rect className="icon-ground" x="6" y="6" width="84" height="84" rx="24" />;
const triangle = (
  <path
    className="icon-ground"
    d="M39.3 11a10 10 0 0 1 17.4 0l33 59.5A10 10 0 0 1 81 85.5H15A10 10 0 0 1 6.3 70.5z"
  />
);

const drawings: Readonly<Record<IconName, ReactNode>> = {
  scan: (
    <>
      {square}
      <path d="M26 36v-6a5 5 0 0 1 5-5h6M59 25h6a5 5 0 0 1 5 5v6M70 60v6a5 5 0 0 1-5 5h-6M37 71h-6a5 5 0 0 1-5-5v-6" />
      <path d="M37 38v20M44.5 38v20M51 38v20M59 38v20" />
      <path className="icon-beam" d="M22 48h52" />
    </>
  ),
  check: (
    <>
      {circle}
      <path d="M29 49.5 42 62.5 68 35.5" />
    </>
  ),
  question: (
    <>
      {diamond}
      <path d="M38 40a10 10 0 1 1 14.5 9c-3 1.5-4.5 3.5-4.5 7" />
      <path d="M48 66.5v.1" />
    </>
  ),
  stop: (
    <>
      {octagon}
      <path d="M34 34 62 62M62 34 34 62" />
    </>
  ),
  clock: (
    <>
      {square}
      <circle cx="48" cy="48" r="23" fill="none" />
      <path d="M48 35v13.5l9 6" />
    </>
  ),
  'bank-card': (
    <>
      {octagon}
      <rect x="24" y="33" width="48" height="32" rx="5" fill="none" />
      <path d="M24 43h48M32 55h9" />
    </>
  ),
  rescan: (
    <>
      {triangle}
      <path d="M48 36v20" />
      <path d="M48 68.5v.1" />
    </>
  ),
  plug: (
    <>
      {circle}
      <path d="M39 24v12M57 24v12M32 36h32v8a16 16 0 0 1-32 0zM48 60v12" />
      <path d="M26 70 70 26" />
    </>
  ),
  void: (
    <>
      {circle}
      <path d="M32 48h32" />
    </>
  ),
  'look-up': (
    <>
      {square}
      <circle cx="44" cy="44" r="17" fill="none" />
      <path d="M56.5 56.5 71 71" />
      <path className="icon-blink" d="M37 44h.1M44 44h.1M51 44h.1" />
    </>
  ),
  'no-answer': (
    <>
      {diamond}
      <path d="M36 60a11 11 0 0 1-1.5-21.9 14.5 14.5 0 0 1 27.8 2.6A9.8 9.8 0 0 1 61.5 60z" />
      <path d="M48 39.5v5.5M48 52.3v.1" />
    </>
  ),
  key: (
    <>
      {octagon}
      <circle cx="38" cy="48" r="10" fill="none" />
      <path d="M48 48h22M62 48v8M70 48v6" />
    </>
  ),
};

/** A state's picture. Decoration: the words beside it say the same. */
export function Icon({ name }: { name: IconName }): ReactNode {
  return (
    <svg className={`icon icon-${name}`} viewBox="0 0 96 96" aria-hidden="true" focusable="false">
      {drawings[name]}
    </svg>
  );
}

export type SmallIconName =
  | 'tick'
  | 'ring'
  | 'star'
  | 'card'
  | 'server'
  | 'no-server'
  | 'up'
  | 'down'
  | 'data'
  | 'reader';

const smallDrawings: Readonly<Record<SmallIconName, ReactNode>> = {
  tick: (
    <>
      <circle className="small-icon-ground" cx="12" cy="12" r="11" />
      <path className="small-icon-on-ground" d="m7.2 12.4 3.2 3.2 6.4-6.8" />
    </>
  ),
  ring: <circle cx="12" cy="12" r="10" strokeDasharray="3.8 4.053" />,
  star: (
    <path
      className="small-icon-fill"
      d="m12 2.5 2.95 5.98 6.6.96-4.78 4.65 1.13 6.57L12 17.56l-5.9 3.1 1.13-6.57-4.78-4.65 6.6-.96z"
    />
  ),
  card: (
    <>
      <rect x="2.5" y="5" width="19" height="14" rx="2.5" />
      <path d="M2.5 10h19" />
    </>
  ),
  server: (
    <>
      <path d="M7 18.5a4.5 4.5 0 0 1-.6-8.96 6 6 0 0 1 11.5 1.06A4 4 0 0 1 17.5 18.5z" />
      <path d="m9.3 13.8 2 2 3.6-3.8" />
    </>
  ),
  'no-server': (
    <>
      <path d="M7 18.5a4.5 4.5 0 0 1-.6-8.96 6 6 0 0 1 11.5 1.06A4 4 0 0 1 17.5 18.5z" />
      <path d="M4 21 20 4" />
    </>
  ),
  up: <path d="M12 20V5M6 10.5 12 4.5l6 6" />,
  down: <path d="M12 4v15M6 13.5l6 6 6-6" />,
  data: (
    <>
      <circle cx="12" cy="12" r="9" />
      <path d="M12 7v5.5l3.5 2" />
    </>
  ),
  reader: (
    <>
      <path d="M12 3.5 22 20H2z" />
      <path d="M12 10v4.5M12 17.3v.1" />
    </>
  ),
};

/** A small picture beside a word. */
export function SmallIcon({ name }: { name: SmallIconName }): ReactNode {
  return (
    <svg className={`small-icon small-icon-${name}`} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {smallDrawings[name]}
    </svg>
  );
}
