// Forms: labelled fields, faults beside the fields that they are of, one button that cannot be pressed twice.

import { freshId, h, put } from "../lib/dom.js";
import { explain, explainField } from "../lib/failure.js";
import { t } from "../lib/words.js";

/** Which field a refusal as a whole is about. */
const FIELD_OF = {
  EMAIL_TAKEN: "email",
  NICKNAME_TAKEN: "nickname",
  PASSWORD_TOO_SHORT: "password",
  PASSWORD_TOO_LONG: "password",
  PASSWORD_TOO_COMMON: "password",
  GOAL_OUT_OF_RANGE: "dailySteps",
  INVITE_NOT_FOUND: "code",
};

/** One labelled input. *name* is the API's; further *properties* are those of <input>. */
export function field(name, label, { hint = "", ...properties } = {}) {
  const input = h("input", { name, id: freshId(name), class: "input", ...properties });
  return wrapped(input, label, hint);
}

/** One labelled choice among *options*, pairs of value and text. */
export function choice(name, label, options, { value, hint = "", ...properties } = {}) {
  const select = h("select", { name, id: freshId(name), class: "input", ...properties },
    options.map(([key, text]) => h("option", { value: key, selected: key === value }, text)));
  return wrapped(select, label, hint);
}

/** A box to tick, with its words beside it. */
export function tick(name, label, { checked = false, hint = "" } = {}) {
  const id = freshId(name);
  return h("div", { class: "field tick" },
    h("input", { type: "checkbox", name, id, checked, "aria-describedby": hint ? `${id}-hint` : null }),
    h("label", { for: id }, label),
    hint ? h("p", { class: "hint", id: `${id}-hint` }, hint) : null);
}

function wrapped(input, label, hint) {
  const said = h("p", { class: "hint", id: `${input.id}-hint` }, hint);
  input.setAttribute("aria-describedby", said.id);
  return h("div", { class: "field", "data-hint": hint }, h("label", { for: input.id }, label), input, said);
}

/**
 * A form of *parts*. *send* gets the values by name; while it works, nothing can be sent again. What it throws is shown
 * beside its fields, else above the button.
 */
export function form(parts, { send, verb, also = null, clear = false, className = "", verbClass = "primary" }) {
  const fault = h("p", { class: "fault", role: "alert" });
  const button = h("button", { type: "submit", class: `button ${verbClass}` }, verb);
  const made = h("form", { class: `form ${className}`, novalidate: true, onsubmit: submit }, parts, fault, h("div", { class: "actions" }, also, button));

  async function submit(event) {
    event.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") return;
    unmark(made, fault);
    if (!complete(made)) return;
    button.setAttribute("aria-disabled", "true");
    made.setAttribute("aria-busy", "true");
    try {
      await send(values(made));
      if (clear) made.reset();
    } catch (error) {
      if (!error.reason && !error.status) console.warn(error);
      show(made, fault, error);
    } finally {
      button.removeAttribute("aria-disabled");
      made.removeAttribute("aria-busy");
    }
  }
  return made;
}

function values(made) {
  const found = Object.fromEntries(new FormData(made));
  for (const box of made.querySelectorAll("input[type=checkbox]")) found[box.name] = box.checked;
  for (const number of made.querySelectorAll("input[type=number]")) found[number.name] = Number(number.value);
  return found;
}

/** Whether all that is required is there and can be; what is not, is marked. Browsers have words of their own, in another language. */
function complete(made) {
  const missing = [...made.elements].filter((input) => input.willValidate && !input.checkValidity());
  for (const input of missing) mark(input, input.validity.valueMissing ? t("invalid.missing") : explainField({ field: input.name, description: input.validationMessage }));
  missing[0]?.focus();
  return missing.length === 0;
}

function show(made, fault, error) {
  const byField = new Map((error.violations ?? []).map((each) => [each.field.split(".").pop(), explainField(each)]));
  const own = FIELD_OF[error.reason];
  if (own && byField.size === 0) byField.set(own, explain(error));
  const marked = [];
  for (const [name, text] of byField) {
    const input = made.elements.namedItem(name) ?? (name === "password" ? made.elements.namedItem("newPassword") : null);
    if (input instanceof HTMLElement) {
      mark(input, text);
      marked.push(input);
    }
  }
  if (marked.length > 0) marked[0].focus();
  else put(fault, [...byField.values()][0] ?? explain(error));
}

function mark(input, text) {
  input.setAttribute("aria-invalid", "true");
  const said = document.getElementById(`${input.id}-hint`);
  said?.classList.add("wrong");
  if (said) said.textContent = text;
}

function unmark(made, fault) {
  put(fault);
  for (const input of made.querySelectorAll("[aria-invalid]")) {
    input.removeAttribute("aria-invalid");
    const said = document.getElementById(`${input.id}-hint`);
    said?.classList.remove("wrong");
    if (said) said.textContent = input.closest(".field").dataset.hint;
  }
}
