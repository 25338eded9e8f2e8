import type { ReactNode } from 'react';
import { Icon, type IconName } from './icons.tsx';

/** A state that is said in one sentence: what it is, large, and what to do. */
export function MessagePanel(props: {
  icon: IconName;
  title: string;
  lead?: ReactNode;
  hint?: ReactNode;
  card?: ReactNode;
  /** What a person on the phone is told it is called. */
  code?: string;
}): ReactNode {
  return (
    <div className="message">
      <Icon name={props.icon} />
      <h1 className="message-title">{props.title}</h1>
      {props.lead !== undefined && <p className="message-lead">{props.lead}</p>}
      {props.hint !== undefined && <p className="message-hint">{props.hint}</p>}
      {props.card}
      {props.code !== undefined && <code className="message-code">{props.code}</code>}
    </div>
  );
}
