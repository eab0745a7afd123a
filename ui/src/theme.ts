// Light or dark: as the system says, until somebody chooses.

import { useEffect, useState } from "preact/hooks";

export type Theme = "light" | "dark" | "system";

const KEY = "lukhas.theme";
const listeners = new Set<() => void>();
const system = matchMedia("(prefers-color-scheme: dark)");

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system"; // Storage is switched off in this browser.
  }
}

function told(): void {
  for (const listener of listeners) listener();
}

export function applyTheme(): void {
  const theme = stored();
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

export function setTheme(theme: Theme): void {
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Without storage the choice holds for this page only.
  }
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  told();
}

system.addEventListener("change", told);

/** What was chosen, and which of both is seen. */
export function useTheme(): { chosen: Theme; dark: boolean } {
  const look = (): { chosen: Theme; dark: boolean } => {
    const chosen = (document.documentElement.dataset.theme as Theme | undefined) ?? "system";
    return { chosen, dark: chosen === "system" ? system.matches : chosen === "dark" };
  };
  const [theme, update] = useState(look);
  useEffect(() => {
    const listener = (): void => update(look());
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return theme;
}
