import { toast } from "./toast";

/** Menus are details elements: one is open at a time, and a click elsewhere or
 * Escape closes it. */
export function startMenus(): void {
  document.addEventListener("click", (event) => {
    const target = event.target as Element;
    for (const menu of document.querySelectorAll<HTMLDetailsElement>("details.menu[open]")) {
      if (!menu.contains(target)) menu.open = false;
    }
    const opener = target.closest<HTMLElement>("[data-open-dialog]");
    if (opener) openDialog(opener.dataset["openDialog"] ?? "");
    const copy = target.closest<HTMLElement>("[data-copy]");
    if (copy) void copySQL(copy);
  });
}

/** Closes the open menu and says whether there was one. */
export function closeMenu(): boolean {
  const menu = document.querySelector<HTMLDetailsElement>("details.menu[open]");
  if (!menu) return false;
  menu.open = false;
  menu.querySelector("summary")?.focus();
  return true;
}

export function openDialog(id: string): void {
  const dialog = document.getElementById(id);
  if (dialog instanceof HTMLDialogElement && !dialog.open) {
    closeMenu();
    dialog.showModal();
  }
}

async function copySQL(button: HTMLElement): Promise<void> {
  const lines = button.parentElement?.querySelectorAll(".line") ?? [];
  const text = Array.from(lines, (line) => {
    const copy = line.cloneNode(true) as Element;
    for (const extra of copy.querySelectorAll("[data-extra]")) extra.remove(); // notes of ours
    return copy.textContent ?? "";
  }).join("\n");
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("The browser did not allow copying. Select the text instead.", true);
  }
}
