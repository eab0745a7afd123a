// The parts that pages are put together from: headings, cards, figures, and designed states.

import { Component, type ComponentChildren } from "preact";
import type { Problem } from "../api/client";
import type { Asked } from "../api/use";
import { words } from "../format";

export function Page({ title, lead, actions, children }: { title: string; lead?: ComponentChildren; actions?: ComponentChildren; children: ComponentChildren }) {
  return (
    <>
      <div class="heading">
        <div>
          <h1 tabIndex={-1}>{title}</h1>
          {lead && <p class="lead">{lead}</p>}
        </div>
        {actions && <div class="actions">{actions}</div>}
      </div>
      {children}
    </>
  );
}

interface CardProps {
  title?: string | undefined;
  note?: ComponentChildren;
  actions?: ComponentChildren;
  id?: string;
  children: ComponentChildren;
}

export function Card({ title, note, actions, id, children }: CardProps) {
  return (
    <section class="card" id={id} aria-label={title}>
      {(title || actions) && (
        <div class="card-head">
          <div>
            {title && <h2>{title}</h2>}
            {note && <p class="aside">{note}</p>}
          </div>
          {actions && <div class="actions">{actions}</div>}
        </div>
      )}
      {children}
    </section>
  );
}

export function Tile({ label, figure, unit, note, tone }: { label: string; figure: string; unit?: string; note?: ComponentChildren; tone?: "bad" | "warn" | "good" }) {
  return (
    <div class={`card tile ${tone ?? ""}`}>
      <h2>{label}</h2>
      <p class="figure">{figure}{unit && <small>{unit}</small>}</p>
      {note && <p class="aside">{note}</p>}
    </div>
  );
}

export type Tone = "good" | "warn" | "bad" | "info" | "quiet";

export function Pill({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return <span class={`pill ${tone}`}>{children}</span>;
}

const TONES: Record<string, Tone> = {
  ok: "good", active: "good", valid: "good", degraded: "warn", failed: "bad", revoked: "bad", expired: "warn",
  critical: "bad", warning: "warn", info: "info", firing: "bad", pending: "warn", acknowledged: "info", snoozed: "quiet",
  resolved: "good", enforce: "good", shadow: "info", off: "quiet", refused: "bad", passed: "good", unknown: "quiet",
  healthy: "good", starting: "warn", standby: "quiet", draining: "info", unfit: "bad", ejected: "bad",
};
const NAMES: Record<string, string> = { ok: "Healthy" };

export function StatePill({ state, name }: { state: string; name?: string }) {
  return <Pill tone={TONES[state] ?? "quiet"}>{name ?? NAMES[state] ?? words(state)}</Pill>;
}

/** Something in place of what is not there. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <h2 class="empty-title">{title}</h2>
      {children}
    </div>
  );
}

export function Failure({ problem, retry }: { problem: Problem; retry?: () => void }) {
  return (
    <div class="problem" role="alert">
      <p><b>{problem.title}</b></p>
      {problem.detail && <p>{problem.detail}</p>}
      {retry && <button type="button" class="plain" onClick={retry}>Try again</button>}
    </div>
  );
}

/** Keeps a mistake in a page from taking the rest away. */
export class Boundary extends Component<{ children: ComponentChildren }, { error?: Error }> {
  override state: { error?: Error } = {};

  static override getDerivedStateFromError(error: Error): { error: Error } {
    return { error };
  }

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <Page title="This page has failed">
        <div class="problem" role="alert">
          <p>{error.message}</p>
          <button type="button" class="plain" onClick={() => location.reload()}>Load it again</button>
        </div>
      </Page>
    );
  }
}

interface ShownProps<T> {
  asked: Asked<T>;
  /** The name of what is shown, as the beginning of a sentence. */
  what: string;
  height?: number;
  children: (data: T) => ComponentChildren;
}

/** An answer, or what is seen while it is asked for, where it failed, and where it does not exist. */
export function Shown<T>({ asked, what, height = 96, children }: ShownProps<T>) {
  const { data, problem } = asked;
  if (data !== undefined) {
    return (
      <>
        {problem && <p class="stale" role="status">These figures are old: {problem.message}</p>}
        {children(data)}
      </>
    );
  }
  if (problem?.isMissing) return <Missing what={what} />;
  if (problem) return <Failure problem={problem} retry={asked.reload} />;
  return <div class="skeleton" style={{ height: `${height}px` }} role="status"><span class="hidden">Loading</span></div>;
}

export function Missing({ what }: { what: string }) {
  return (
    <Empty title="Not available on this server">
      <p>{what}: this server has no such part, or it is switched off in the settings.</p>
    </Empty>
  );
}

/** A share of a whole as a bar with its figure. */
export function Bar({ part, label, text, tone }: { part: number; label: string; text: string; tone?: Tone }) {
  const width = Math.max(0, Math.min(1, part)) * 100;
  return (
    <span class="bar-line">
      <span class={`bar ${tone ?? ""}`} role="img" aria-label={`${label}: ${text}`}>
        <span style={{ width: `${width}%` }} />
      </span>
      <span class="bar-text">{text}</span>
    </span>
  );
}
