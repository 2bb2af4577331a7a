/** Changes the colour scheme without loading the page again. */
export function startThemes(): void {
  for (const form of document.querySelectorAll<HTMLFormElement>("[data-theme-form]")) {
    form.addEventListener("submit", (event) => {
      const button = event.submitter;
      if (!(button instanceof HTMLButtonElement)) return;
      event.preventDefault();
      document.documentElement.dataset["theme"] = button.value;
      for (const other of form.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button));
      const menu = form.closest("details");
      const icon = button.querySelector("svg");
      const shown = menu?.querySelector("summary svg");
      if (icon && shown) shown.replaceWith(icon.cloneNode(true));
      if (menu) menu.open = false;
      const body = new URLSearchParams({ theme: button.value });
      void fetch(form.action, { method: "POST", body, headers: { "X-Requested-With": "fetch" } });
    });
  }
}
