// The frame of all pages, and which page belongs to an address.

import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ask, Problem } from "./api/client";
import { ADMIN, SessionContext } from "./api/session";
import { useStatus } from "./api/stream";
import type { Alert, Session } from "./api/types";
import { useAsked } from "./api/use";
import { Notes, RangePicker } from "./components/controls";
import { Boundary, Failure, StatePill } from "./components/frame";
import { Icon } from "./components/icons";
import { counted, words } from "./format";
import { Alerts } from "./pages/alerts";
import { Cache } from "./pages/cache";
import { Capacity } from "./pages/capacity";
import { Consumers } from "./pages/consumers";
import { Explain } from "./pages/explain";
import { Insights } from "./pages/insights";
import { Limits } from "./pages/limits";
import { Overview } from "./pages/overview";
import { Routes } from "./pages/routes";
import { Settings } from "./pages/settings";
import { Upstreams } from "./pages/upstreams";
import { to, usePlace } from "./router";
import { setTheme, type Theme, useTheme } from "./theme";

interface PageEntry {
  path: string;
  title: string;
  page: ComponentType<{ rest: string }>;
  /** Whether it shows a window of time. */
  timed?: boolean;
  /** Whether there are pages below it, such as one of an alert. */
  deep?: boolean;
}

const GROUPS: readonly (readonly [string, readonly PageEntry[]])[] = [
  ["Traffic", [
    { path: "/", title: "Overview", page: Overview, timed: true },
    { path: "/routes", title: "Routes", page: Routes, timed: true },
    { path: "/consumers", title: "Consumers", page: Consumers, timed: true },
  ]],
  ["Policies", [
    { path: "/limits", title: "Limits", page: Limits, timed: true },
    { path: "/cache", title: "Cache", page: Cache, timed: true },
    { path: "/upstreams", title: "Upstreams", page: Upstreams, timed: true },
  ]],
  ["Analysis", [
    { path: "/alerts", title: "Alerts", page: Alerts, deep: true },
    { path: "/explain", title: "Explain", page: Explain, deep: true },
    { path: "/insights", title: "Insights", page: Insights },
    { path: "/capacity", title: "Capacity", page: Capacity },
  ]],
  ["Node", [{ path: "/settings", title: "Settings", page: Settings }]],
];
const PAGES = GROUPS.flatMap(([, pages]) => pages);
const ALERTS_MS = 10_000;

function entryOf(path: string): PageEntry | undefined {
  return PAGES.find((each) => each.path === path || (each.deep && path.startsWith(`${each.path}/`)));
}

export function isPage(path: string): boolean {
  return entryOf(path) !== undefined;
}

export function App() {
  const [session, setSession] = useState<Session>();
  const [failure, setFailure] = useState<Problem>();
  useEffect(() => {
    ask<Session>("/api/v1/session").then(setSession, (problem: unknown) => {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.isMissing) setSession(ADMIN);
      else setFailure(problem);
    });
  }, []);
  if (failure) return <main class="alone"><Failure problem={failure} retry={() => location.reload()} /></main>;
  if (!session) return <div class="skeleton tall" role="status"><span class="hidden">Loading</span></div>;
  return (
    <SessionContext.Provider value={session}>
      <Frame session={session} />
    </SessionContext.Provider>
  );
}

/** What an address says; as it is where it is not well formed. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function Frame({ session }: { session: Session }) {
  const { path } = usePlace();
  const entry = entryOf(path);
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const [menu, setMenu] = useState(false);
  const title = entry?.title ?? "Not found";

  useEffect(() => {
    document.title = `${title} · LUKHAS API Optimizer`;
    setMenu(false);
    // Whoever listens to the page hears that it is another one now.
    if (!first.current) main.current?.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
    first.current = false;
  }, [path]);

  return (
    <div class={`frame ${menu ? "menu-open" : ""}`}>
      <a class="skip" href="#main">Skip to the content</a>
      <Side path={path} session={session} open={menu} toggle={() => setMenu(!menu)} />
      <div class="body">
        <TopBar timed={entry?.timed ?? false} />
        <main id="main" ref={main} tabIndex={-1}>
          <Boundary key={path}>
            {entry ? <entry.page rest={decoded(path.slice(entry.path.length + 1))} /> : <h1 tabIndex={-1}>There is no such page</h1>}
          </Boundary>
        </main>
      </div>
      <Notes />
    </div>
  );
}

function Side({ path, session, open, toggle }: { path: string; session: Session; open: boolean; toggle: () => void }) {
  const alerts = useAsked<{ alerts: Alert[] }>("/api/v1/alerts", ALERTS_MS);
  const firing = alerts.data?.alerts.filter((each) => each.state === "firing").length ?? 0;
  return (
    <header class="side">
      <div class="side-top">
        <a class="brand" href="/"><img src="/assets/icon.svg" alt="" width="26" height="26" />LUKHAS <span>API Optimizer</span></a>
        <button type="button" class="plain menu-button" aria-expanded={open} aria-controls="menu" onClick={toggle}>Menu</button>
      </div>
      <div class="side-menu" id="menu">
        <nav aria-label="Pages">
          {GROUPS.map(([name, pages]) => (
            <div key={name} class="nav-group">
              <p class="nav-title" id={`nav-${name}`}>{name}</p>
              <ul aria-labelledby={`nav-${name}`}>
                {pages.map((page) => (
                  <li key={page.path}>
                    <a href={to(page.path)} aria-current={entryOf(path) === page ? "page" : undefined}>
                      <Icon name={page.title} />
                      {page.title}
                      {page.path === "/alerts" && firing > 0 && (
                        <span class="badge"><span aria-hidden="true">{firing}</span><span class="hidden">({counted(firing, "firing", "firing")})</span></span>
                      )}
                    </a>
                  </li>
                ))}
              </ul>
            </div>
          ))}
        </nav>
        <div class="side-foot">
          <ThemeChoice />
          <p class="aside">{session.name === session.role ? "" : `${session.name}, `}{words(session.role)}</p>
          <p class="foot-links">
            <a href="/docs">API description</a>
          </p>
          <form method="post" action="/logout"><button class="plain">Sign out</button></form>
        </div>
      </div>
    </header>
  );
}

const THEMES: readonly Theme[] = ["system", "light", "dark"];

function ThemeChoice() {
  const { chosen } = useTheme();
  return (
    <fieldset class="themes">
      <legend class="hidden">Colours</legend>
      {THEMES.map((theme) => (
        <label key={theme}>
          <input type="radio" name="theme" checked={chosen === theme} onChange={() => setTheme(theme)} />
          <span>{theme === "system" ? "Auto" : words(theme)}</span>
        </label>
      ))}
    </fieldset>
  );
}

function TopBar({ timed }: { timed: boolean }) {
  const { status, connected } = useStatus();
  return (
    <section class="top" aria-label="Time and health">
      {timed ? <RangePicker /> : <span />}
      <div class="top-state" role="status">
        {!connected && <span class="lost">Connection lost, trying again …</span>}
        {connected && status && <a href={to("/")} class="health-link"><span class="hidden">Health: </span><StatePill state={status.health.status} /></a>}
      </div>
    </section>
  );
}
