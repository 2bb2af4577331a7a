/** Shows a message for some seconds. */
export function toast(text: string, bad = false): void {
  const box = document.getElementById("toasts");
  if (!box) return;
  const item = document.createElement("div");
  item.className = bad ? "toast toast-bad" : "toast";
  item.textContent = text;
  box.append(item);
  setTimeout(() => item.remove(), bad ? 8000 : 4000);
}
