import type { Viewport } from "./lineage-viewport";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 168;
const HEIGHT = 104;

interface Spot {
  x: number;
  y: number;
  width: number;
  height: number;
  root: boolean;
  fold: boolean;
}

/** The whole drawing in a corner with a frame around what is seen of it. */
export class Minimap {
  private readonly svg: SVGSVGElement;
  private readonly spots: SVGGElement;
  private readonly seen: SVGRectElement;
  private width = 1;
  private height = 1;

  constructor(
    stage: HTMLElement,
    private readonly view: Viewport,
  ) {
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("class", "lin-map");
    this.svg.setAttribute("aria-hidden", "true");
    this.svg.setAttribute("width", String(WIDTH));
    this.svg.setAttribute("height", String(HEIGHT));
    this.spots = document.createElementNS(SVG, "g");
    this.seen = document.createElementNS(SVG, "rect");
    this.seen.setAttribute("class", "lin-map-seen");
    this.svg.append(this.spots, this.seen);
    stage.append(this.svg);
    const go = (event: PointerEvent): void => {
      const box = this.svg.getBoundingClientRect();
      const k = this.scale();
      this.view.center({ x: (event.clientX - box.left - this.left()) / k, y: (event.clientY - box.top - this.top()) / k });
    };
    let held = false;
    this.svg.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      held = true;
      this.svg.setPointerCapture(event.pointerId);
      go(event);
    });
    this.svg.addEventListener("pointermove", (event) => {
      if (held) go(event);
    });
    for (const end of ["pointerup", "pointercancel"] as const) this.svg.addEventListener(end, () => (held = false));
  }

  private scale(): number {
    return Math.min(WIDTH / this.width, HEIGHT / this.height);
  }

  private left(): number {
    return (WIDTH - this.width * this.scale()) / 2;
  }

  private top(): number {
    return (HEIGHT - this.height * this.scale()) / 2;
  }

  draw(spots: Spot[], width: number, height: number): void {
    [this.width, this.height] = [Math.max(1, width), Math.max(1, height)];
    const k = this.scale();
    const all = document.createDocumentFragment();
    for (const s of spots) {
      const r = document.createElementNS(SVG, "rect");
      r.setAttribute("class", s.root ? "lin-map-root" : s.fold ? "lin-map-fold" : "lin-map-spot");
      r.setAttribute("x", String(this.left() + s.x * k));
      r.setAttribute("y", String(this.top() + s.y * k));
      r.setAttribute("width", String(Math.max(2, s.width * k)));
      r.setAttribute("height", String(Math.max(1.5, s.height * k)));
      all.append(r);
    }
    this.spots.replaceChildren(all);
    this.frame();
  }

  /** Draws the frame anew; the map hides where everything is in view. */
  frame(): void {
    const k = this.scale();
    const v = this.view;
    const [x, y] = [-v.x / v.scale, -v.y / v.scale];
    const [w, h] = [v.width / v.scale, v.height / v.scale];
    this.svg.classList.toggle("is-hidden", x <= 1 && y <= 1 && x + w >= this.width - 1 && y + h >= this.height - 1);
    this.seen.setAttribute("x", String(this.left() + x * k));
    this.seen.setAttribute("y", String(this.top() + y * k));
    this.seen.setAttribute("width", String(Math.max(4, w * k)));
    this.seen.setAttribute("height", String(Math.max(4, h * k)));
  }
}
