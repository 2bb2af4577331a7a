// Everything here makes pages that work without it nicer: htmx loads parts of
// pages, the rest is keyboard, live progress, times in the reader's zone.
import htmx from "htmx.org";
import { startChat } from "./chat";
import { startKeyboard } from "./keyboard";
import { startLists } from "./lists";
import { startMenus } from "./menus";
import { startPasskeys } from "./passkey";
import { startPicker } from "./picker";
import { startScan } from "./scan";
import { startThemes } from "./theme";
import { localTimes } from "./times";
import { toast } from "./toast";

document.documentElement.classList.add("js");

// A page may come back from the browser's cache with its last state.
function refresh(root: ParentNode): void {
  localTimes(root);
  startLists(root);
}

refresh(document);
startChat();
startKeyboard();
startMenus();
startPasskeys();
startPicker();
startScan();
startThemes();

htmx.onLoad((element) => {
  if (element instanceof HTMLElement) refresh(element);
});

document.addEventListener("htmx:responseError", (event) => {
  const detail = (event as CustomEvent<{ xhr: XMLHttpRequest }>).detail;
  if (detail.xhr.status === 401) {
    location.reload();
    return;
  }
  const page = new DOMParser().parseFromString(detail.xhr.responseText, "text/html");
  const text = page.querySelector("[data-testid=error] p")?.textContent?.trim();
  toast(text || `The server answered ${detail.xhr.status}.`, true);
});

document.addEventListener("htmx:sendError", () => {
  toast("MetaLens does not answer. Check that it is running.", true);
});

// A detail that opens beside its list takes the focus, so that its content is
// read and Escape closes it.
document.addEventListener("htmx:afterSwap", (event) => {
  const target = (event as CustomEvent<{ target: HTMLElement }>).detail.target;
  if (target.id !== "detail") return;
  target.scrollTop = 0;
  target.focus({ preventScroll: window.innerWidth >= 1180 });
  const open = location.pathname;
  for (const link of document.querySelectorAll<HTMLAnchorElement>(".finding [data-open]")) {
    link.closest(".row")?.classList.toggle("is-open", link.pathname === open);
  }
});
