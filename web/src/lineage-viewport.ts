import type { Point } from "./lineage-types";

const SMALLEST = 0.02;
const LARGEST = 2;

/** Pans and zooms: the world is moved below the stage's window. */
export class Viewport {
  scale = 1;
  x = 0;
  y = 0;
  dragging = false;
  /** Whether the press that just ended moved the world: it was no click then. */
  moved = false;
  private readonly pointers = new Map<number, Point>();

  constructor(
    readonly stage: HTMLElement,
    private readonly world: HTMLElement,
    private readonly changed: () => void,
  ) {
    stage.addEventListener("pointerdown", (event) => this.down(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"] as const) stage.addEventListener(end, (event) => this.up(event));
    stage.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
        event.preventDefault();
        const box = stage.getBoundingClientRect();
        this.zoom(Math.exp(-event.deltaY / 300), { x: event.clientX - box.left, y: event.clientY - box.top });
      },
      { passive: false },
    );
    // The browser scrolls a focused box into view by itself; the world moves
    // instead.
    stage.addEventListener("scroll", () => stage.scrollTo(0, 0));
    new ResizeObserver(() => this.changed()).observe(stage);
  }

  get width(): number {
    return this.stage.clientWidth;
  }

  get height(): number {
    return this.stage.clientHeight;
  }

  toScreen(p: Point): Point {
    return { x: p.x * this.scale + this.x, y: p.y * this.scale + this.y };
  }

  /** Moves the world so that a point of it is at a place of the window. */
  place(p: Point, at: Point): void {
    this.set(at.x - p.x * this.scale, at.y - p.y * this.scale, this.scale);
  }

  center(p: Point): void {
    this.place(p, { x: this.width / 2, y: this.height / 2 });
  }

  /** Moves as little as it takes to see a box. */
  reveal(b: { x: number; y: number; width: number; height: number }): void {
    const margin = 40;
    const a = this.toScreen(b);
    const z = this.toScreen({ x: b.x + b.width, y: b.y + Math.min(b.height, this.height / this.scale / 2) });
    let [dx, dy] = [0, 0];
    if (a.x < margin) dx = margin - a.x;
    else if (z.x > this.width - margin) dx = this.width - margin - z.x;
    if (a.y < margin) dy = margin - a.y;
    else if (z.y > this.height - margin) dy = this.height - margin - z.y;
    if (dx !== 0 || dy !== 0) this.set(this.x + dx, this.y + dy, this.scale);
  }

  zoom(by: number, at: Point = { x: this.width / 2, y: this.height / 2 }): void {
    const scale = Math.min(LARGEST, Math.max(SMALLEST, this.scale * by));
    const k = scale / this.scale;
    this.set(at.x - (at.x - this.x) * k, at.y - (at.y - this.y) * k, scale);
  }

  /** Fits a size into the window, not smaller than least; answers with the scale. */
  fit(width: number, height: number, least: number): number {
    const scale = Math.min(1, Math.max(least, Math.min(this.width / width, this.height / height)));
    this.set((this.width - width * scale) / 2, (this.height - height * scale) / 2, scale);
    return scale;
  }

  set(x: number, y: number, scale: number): void {
    [this.x, this.y, this.scale] = [x, y, scale];
    this.world.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    this.changed();
  }

  private down(event: PointerEvent): void {
    if (event.button !== 0 || (event.target as Element).closest(".lin-map")) return;
    this.moved = false;
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  }

  private move(event: PointerEvent): void {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    if (!this.dragging && Math.hypot(now.x - before.x, now.y - before.y) < 4) return;
    if (!this.dragging) {
      this.dragging = this.moved = true;
      this.stage.setPointerCapture(event.pointerId);
      this.stage.classList.add("is-dragging");
    }
    if (this.pointers.size === 2) {
      const other = Array.from(this.pointers).find(([id]) => id !== event.pointerId)![1];
      const box = this.stage.getBoundingClientRect();
      const k = Math.hypot(now.x - other.x, now.y - other.y) / Math.max(1, Math.hypot(before.x - other.x, before.y - other.y));
      this.zoom(k, { x: (now.x + other.x) / 2 - box.left, y: (now.y + other.y) / 2 - box.top });
    } else {
      this.set(this.x + now.x - before.x, this.y + now.y - before.y, this.scale);
    }
    this.pointers.set(event.pointerId, now);
  }

  private up(event: PointerEvent): void {
    this.pointers.delete(event.pointerId);
    if (this.pointers.size > 0) return;
    this.dragging = false;
    this.stage.classList.remove("is-dragging");
  }
}
