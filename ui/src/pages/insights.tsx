// Insights: what stands out, with its evidence, and what could be done.

import type { Insight } from "../api/types";
import { useAsked } from "../api/use";
import { type Choice, Select } from "../components/controls";
import { Empty, Page, Pill, Shown } from "../components/frame";
import { amount, bytes, latency, rate, share, words } from "../format";
import { setParams, to, usePlace } from "../router";

const EVERY_MS = 60_000;

export function Insights() {
  const asked = useAsked<{ insights: Insight[] }>("/api/v1/insights", EVERY_MS);
  const kind = usePlace().params.get("kind") ?? "";
  const kinds = [...new Set(asked.data?.insights.map((each) => each.kind))].sort();
  const choices: Choice[] = [["", "All kinds"], ...kinds.map((each): Choice => [each, words(each)])];
  return (
    <Page
      title="Insights"
      lead="What stands out in the traffic, and what could be done about it."
      actions={kinds.length > 1 && <Select label="Kind" value={kind} choices={choices} onChange={(value) => setParams({ kind: value })} />}
    >
      <Shown asked={asked} what="Insights" height={240}>
        {({ insights }) => {
          const shown = insights.filter((each) => !kind || each.kind === kind);
          return shown.length ? (
            <div class="insights">{shown.map((each) => <InsightCard key={each.id} insight={each} />)}</div>
          ) : (
            <section class="card" aria-label="No insights">
              <Empty title="Nothing stands out">
                <p>Insights come from some hours of traffic. They show up here by themselves.</p>
              </Empty>
            </section>
          );
        }}
      </Shown>
    </Page>
  );
}

function InsightCard({ insight }: { insight: Insight }) {
  return (
    <article class="card" aria-label={insight.title}>
      <p class="chips">
        <Pill tone="info">{words(insight.kind)}</Pill>
        {insight.confidence !== null && <span class="aside">Confidence {confidence(insight.confidence)}</span>}
      </p>
      <h2>{insight.title}</h2>
      {insight.impact && <p>{insight.impact}</p>}
      {insight.evidence.length > 0 && (
        <dl class="facts small">
          {insight.evidence.map((each) => <div key={each.name}><dt>{words(each.name)}</dt><dd>{withUnit(each.value, each.unit)}</dd></div>)}
        </dl>
      )}
      {insight.proposal && <p class="proposal"><b>Proposal:</b> {insight.proposal}</p>}
      {insight.changes && insight.changes.length > 0 && (
        <dl class="facts small">
          {insight.changes.map((each) => (
            <div key={each.setting}><dt><code>{each.setting}</code></dt><dd><code>{each.value}</code>{each.present && <> <span class="quiet">now {each.present}</span></>}</dd></div>
          ))}
        </dl>
      )}
      {insight.route && <p><a href={to("/routes", { route: insight.route })}>The route {insight.route}</a></p>}
    </article>
  );
}

function confidence(value: number | string): string {
  return typeof value === "number" ? share(value) : words(value).toLowerCase();
}

/** A figure with its unit, both as people write them. */
export function withUnit(value: number | string | null, unit: string): string {
  if (typeof value !== "number") return value === null ? "–" : `${value}${unit ? ` ${unit}` : ""}`;
  switch (unit) {
    case "ms": return latency(value);
    case "s": return latency(value * 1000);
    case "B": case "bytes": return bytes(value);
    case "ratio": case "share": return share(value);
    case "%": return share(value / 100);
    case "/s": return `${rate(value)}/s`;
    default: return `${Number.isInteger(value) ? amount(value) : rate(value)}${unit ? ` ${unit}` : ""}`;
  }
}
