import { closeMenu, openDialog } from "./menus";

const jumps: Record<string, string> = { o: "", f: "/findings", c: "/catalog", l: "/lineage", i: "/impact", d: "/duplicates", m: "/metrics", s: "/scans", a: "/chat" };

let pending = 0; // when "g" was pressed

function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLInputElement && !["checkbox", "radio", "button", "submit"].includes(target.type);
}

const row = "[data-list] > .row, [data-list] > [data-row]"; // of a list, of a table

function rows(): HTMLElement[] {
  return Array.from(document.querySelectorAll<HTMLElement>(row)).filter((row) => row.offsetParent !== null);
}

function current(): HTMLElement | undefined {
  const focused = document.activeElement?.closest<HTMLElement>(row);
  return focused ?? document.querySelector<HTMLElement>("[data-list] > .row.is-open") ?? undefined;
}

function move(step: number): void {
  const all = rows();
  if (all.length === 0) return;
  const here = current();
  const at = here ? all.indexOf(here) : -1;
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, at + step));
  const link = all[next]?.querySelector<HTMLElement>("[data-open]");
  link?.focus();
  all[next]?.scrollIntoView({ block: "nearest" });
}

/** Installs the shortcuts that the help dialog lists. */
export function startKeyboard(): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "Escape") {
      escape(event);
      return;
    }
    if (typing(event.target) || document.querySelector("dialog[open]")) return;
    const base = document.body.dataset["base"];
    if (pending && event.timeStamp - pending < 1500) {
      pending = 0;
      const path = jumps[event.key];
      if (path !== undefined && base) {
        event.preventDefault();
        location.assign(base + path);
        return;
      }
    }
    switch (event.key) {
      case "/":
        event.preventDefault();
        document.querySelector<HTMLInputElement>("#search")?.select();
        document.querySelector<HTMLInputElement>("#search")?.focus();
        return;
      case "g":
        pending = event.timeStamp;
        return;
      case "j":
        move(1);
        return;
      case "k":
        move(-1);
        return;
      case "x":
        current()?.querySelector<HTMLInputElement>("input[name=fp]")?.click();
        return;
      case "e":
        ignore();
        return;
      case "?":
        event.preventDefault();
        openDialog("keys");
        return;
    }
  });
}

/** Leads to the ignore form of what is selected, or else of the open finding. */
function ignore(): void {
  const bulk = document.querySelector<HTMLElement>("form:has(input[name=fp]:checked) > .bulk");
  const place = bulk ?? document.querySelector<HTMLElement>("#detail .triage");
  place?.querySelector<HTMLElement>("select[name=reason]")?.focus();
  place?.scrollIntoView({ block: "nearest" });
}

function escape(event: KeyboardEvent): void {
  if (document.querySelector("dialog[open]")) return; // closes by itself
  if (closeMenu()) return;
  const active = document.activeElement;
  if (active instanceof HTMLElement && typing(active)) {
    active.blur();
    return;
  }
  const checked = document.querySelector<HTMLFormElement>("form:has(input[name=fp]:checked)");
  if (checked) {
    checked.reset();
    return;
  }
  const back = document.querySelector<HTMLAnchorElement>("[data-back]");
  if (back) {
    event.preventDefault();
    back.click();
  }
}
