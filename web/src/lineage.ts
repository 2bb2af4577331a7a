// The drawing of the Lineage page: a bundle of its own, loaded there only. The
// same file runs as its worker, so that laying out never holds the page up.
import { Drawing } from "./lineage-drawing";
import { place } from "./lineage-layout";
import type { Graph, LayoutAnswer, LayoutAsk } from "./lineage-types";

interface WorkerScope {
  onmessage: ((event: MessageEvent<{ id: number; ask: LayoutAsk }>) => void) | null;
  postMessage(message: unknown): void;
}

if (typeof document === "undefined") {
  const self = globalThis as unknown as WorkerScope;
  self.onmessage = (event) => {
    try {
      self.postMessage({ id: event.data.id, answer: place(event.data.ask) });
    } catch {
      self.postMessage({ id: event.data.id });
    }
  };
} else {
  start();
}

/** Lays out in the worker; where that is not possible, here. */
function layouter(): (ask: LayoutAsk) => Promise<LayoutAnswer> {
  let worker: Worker | undefined;
  let count = 0;
  const waiting = new Map<number, { ask: LayoutAsk; done: (a: LayoutAnswer) => void }>();
  const giveUp = (): void => {
    worker = undefined;
    for (const w of waiting.values()) w.done(place(w.ask));
    waiting.clear();
  };
  try {
    worker = new Worker(import.meta.url, { type: "module" });
    worker.onerror = giveUp;
    worker.onmessage = (event: MessageEvent<{ id: number; answer?: LayoutAnswer }>) => {
      const w = waiting.get(event.data.id);
      waiting.delete(event.data.id);
      w?.done(event.data.answer ?? place(w.ask));
    };
  } catch {
    worker = undefined;
  }
  return (ask) =>
    new Promise((done) => {
      if (!worker) {
        done(place(ask));
        return;
      }
      waiting.set(++count, { ask, done });
      worker.postMessage({ id: count, ask });
    });
}

function start(): void {
  const box = document.querySelector<HTMLElement>("[data-lineage]");
  if (!box?.dataset["lineage"]) return;
  const drawing = new Drawing(box, layouter(), (address, keep) => void go(address, true, keep));
  let asked = 0;

  // Every part of the page that depends on the state comes from the server: the
  // drawing as data, the controls and the list as the same page.
  async function go(address: string, push: boolean, keep?: string): Promise<void> {
    const mine = ++asked;
    const url = new URL(address, location.href);
    drawing.busy(true);
    try {
      const [data, page] = await Promise.all([load(url), fetch(url, { credentials: "same-origin" }).then((r) => (r.ok ? r.text() : Promise.reject(new Error(String(r.status)))))]);
      if (mine !== asked) return;
      const fresh = new DOMParser().parseFromString(page, "text/html");
      for (const part of document.querySelectorAll<HTMLElement>("[data-lineage-part]")) {
        const other = fresh.querySelector(`[data-lineage-part="${part.dataset["lineagePart"]}"]`);
        if (other) part.replaceChildren(...Array.from(other.childNodes, (n) => document.importNode(n, true)));
      }
      if (push) history.pushState(null, "", url);
      await drawing.show(data, keep);
    } catch {
      if (mine === asked) location.assign(url); // the page itself says what is wrong
    } finally {
      if (mine === asked) drawing.busy(false);
    }
  }

  async function load(url: URL): Promise<Graph> {
    const answer = await fetch(url.pathname + "/graph" + url.search, { credentials: "same-origin", headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(String(answer.status));
    return (await answer.json()) as Graph;
  }

  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest<HTMLAnchorElement>("a[data-lineage-go]");
    if (!link) return;
    event.preventDefault();
    const label = link.getAttribute("aria-label");
    void go(link.href, true).then(() => {
      if (label) document.querySelector<HTMLElement>(`[data-lineage-part] a[aria-label="${CSS.escape(label)}"]`)?.focus();
    });
  });
  window.addEventListener("popstate", () => void go(location.href, false));
  void (async () => {
    drawing.busy(true);
    try {
      await drawing.show(await load(new URL(location.href)));
    } catch {
      drawing.fail();
    } finally {
      drawing.busy(false);
    }
  })();
}
