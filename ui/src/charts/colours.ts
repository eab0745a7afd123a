// The colours of series, as the style sheet has them for light and dark.

/** How many the style sheet has. */
export const COLOURS = 8;

/** The name of the colour of a series: `s1` ... `s8`, and again from the first. */
export function seriesColour(index: number): string {
  return `s${(index % COLOURS) + 1}`;
}

/** Colours of the style sheet as a canvas takes them, in the present theme. */
export function resolved(names: string[]): Record<string, string> {
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const found: Record<string, string> = {};
  for (const name of names) {
    probe.style.color = `var(--${name})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}
