// Keeps the overview live: each second the server sends the part of the page that changes.

const live = document.getElementById("live");
const banner = document.getElementById("connection");
const SILENCE_MS = 5000;
const RETRY_MS = 3000;
let watch = 0;

/** Makes `old` look like `fresh`, touching only what differs: selection and scrolling survive. */
function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name, value } of fresh.attributes ?? []) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...(old.attributes ?? [])]) {
    if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  const was = [...old.childNodes];
  const now = [...fresh.childNodes];
  now.forEach((node, index) => (index < was.length ? morph(was[index], node) : old.append(node)));
  was.slice(now.length).forEach((node) => node.remove());
}

function connected(yes) {
  banner.hidden = yes;
  live.classList.toggle("stale", !yes);
}

/** A stream that was refused does not come back by itself: the session may have ended. */
async function refused() {
  try {
    const answer = await fetch("/api/v1/status", { headers: { accept: "application/json" } });
    if (answer.status === 401) {
      location.assign("/login?next=/");
      return;
    }
  } catch {
    // The server cannot be reached; the next attempt will tell.
  }
  setTimeout(follow, RETRY_MS);
}

function follow() {
  const source = new EventSource("/api/v1/stream?view=overview");
  const heard = () => {
    clearTimeout(watch);
    watch = setTimeout(() => connected(false), SILENCE_MS);
  };
  source.addEventListener("overview", (event) => {
    const fresh = document.createElement("main");
    fresh.id = "live";
    fresh.innerHTML = JSON.parse(event.data).html;
    connected(true);
    morph(live, fresh);
    heard();
  });
  source.addEventListener("error", () => {
    connected(false);
    if (source.readyState === EventSource.CLOSED) refused();
  });
}

follow();
