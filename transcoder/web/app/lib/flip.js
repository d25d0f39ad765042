// Moves the children of a list to their new places, and shows the way there. Who asked for less motion sees them arrive.

import { wantsCalm } from "./dom.js";

const DURATION_MS = 480;

/** Make *elements* the children of *list*, in this order. Focus stays where it is. */
export function arrange(list, elements) {
  const calm = wantsCalm();
  const before = calm ? null : new Map([...list.children].map((child) => [child, child.offsetTop]));
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  const wanted = new Set(elements);
  for (const child of [...list.children]) if (!wanted.has(child)) child.remove();
  elements.forEach((element, index) => {
    if (list.children[index] !== element) list.insertBefore(element, list.children[index] ?? null);
  });
  if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
  if (before) for (const element of elements) glide(element, before.get(element));
}

function glide(element, from) {
  const easing = "cubic-bezier(.2, .8, .2, 1)";
  if (from === undefined) {
    element.animate([{ opacity: 0 }, { opacity: 1 }], { duration: DURATION_MS, easing });
  } else if (from !== element.offsetTop) {
    const path = [{ transform: `translateY(${from - element.offsetTop}px)` }, { transform: "none" }];
    element.animate(path, { duration: DURATION_MS, easing });
  }
}
